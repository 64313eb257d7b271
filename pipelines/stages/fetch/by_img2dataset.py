"""Fetches trusted lists with the program img2dataset, after our check of schemes, ports and literal addresses.

img2dataset runs as a subprocess, since it needs other versions of libraries, and writes a folder of tars, from which
images are copied into the store unchanged. It follows redirects to any address, has no size limit and no total timeout,
and does not read robots.txt: use it only for lists that you trust.
"""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from corpusloom.pipelines.net.config import TOKEN, FetchConfig
from corpusloom.pipelines.net.exchange.fetcher import Refuse
from corpusloom.pipelines.net.exchange.response import now
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome
from corpusloom.pipelines.store.img2dataset import list_shards, read_shard
from corpusloom.schemas import storage
from corpusloom.schemas.addresses import AddressPolicy, RefusedError, clean_url, port_of
from corpusloom.schemas.errors import ConfigError, LoomError, raise_shortage
from corpusloom.schemas.verdicts import Dead, Rejected

logger = logging.getLogger(__name__)

PROGRAM = "img2dataset"
WARNING = "img2dataset checks no address and no size: use it on lists that you trust, or leave --fetcher out"
SHARD_ROWS = 1_000
"""URLs per shard of img2dataset, which is lost if the program is killed."""
BATCH_ROWS = 10_000
"""URLs per row group of the list."""
DIRECTIVES = ("noai", "noimageai", "noindex", "noimageindex")
"""Directives of X-Robots-Tag, the only opt-out signal that img2dataset honours."""


def find_program() -> str:
    """Return the path of img2dataset, beside this Python or on PATH; ConfigError if it is not installed."""
    beside = os.path.join(os.path.dirname(sys.executable), PROGRAM)
    found = beside if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
    if found is None:
        raise ConfigError(
            "img2dataset is not installed",
            where="--fetcher img2dataset",
            remedy="pip install img2dataset into an environment of its own and put that on PATH",
        )
    return found


def check_url(url: str, policy: AddressPolicy) -> Rejected | None:
    """Return the rejection of a URL by its scheme, its port, or a literal address that is not public, else None."""
    try:
        target = clean_url(url)
        policy.check_port(port_of(target))
        host = (urlsplit(target).hostname or "").strip("[]")
        if ":" in host or host.replace(".", "").isdigit():
            policy.check(host, port_of(target))
    except RefusedError as error:
        return Rejected(error.reason)
    return None


def arguments(url_list: str, folder: str, config: FetchConfig) -> list[str]:
    """Return the arguments for a list, by which no image is re-encoded and a kill loses at most one shard."""
    honoured = [f'"{name}"' for name in DIRECTIVES if name in config.honour]
    options = {
        "url_list": url_list,
        "input_format": "parquet",
        "url_col": "url",
        "output_folder": folder,
        "output_format": "webdataset",
        "disable_all_reencoding": "True",
        "extract_exif": "False",
        "number_sample_per_shard": str(SHARD_ROWS),
        "thread_count": str(config.connections),
        "timeout": str(int(config.header_timeout)),
        "retries": str(config.retries),
        "user_agent_token": TOKEN,
        "disallowed_header_directives": f"[{','.join(honoured)}]",
        "enable_wandb": "False",
    }
    return [f"--{name}={value}" for name, value in options.items()]


def fetch_by_img2dataset(
    urls: Iterable[str],
    config: FetchConfig,
    folder: str,
    on_outcome: Callable[[str, ImageOutcome], None],
    refuse: Refuse | None = None,
) -> None:
    """Fetch URLs with img2dataset; call `on_outcome` exactly once per URL.

    `refuse` is called for each URL, but not for targets of redirects, which img2dataset follows by itself.
    """
    program = find_program()
    logger.warning(WARNING)
    listed = storage.join(folder, "urls.parquet")
    policy = AddressPolicy(config.allow_addresses)

    def check(url: str) -> Rejected | None:
        return (refuse(url) if refuse else None) or check_url(url, policy)

    count = _write_list(urls, check, listed, on_outcome)
    if not count:
        return
    output = storage.join(folder, "output")
    ignored = {name for name in os.environ if name.lower().endswith("_proxy")}
    environment = {name: value for name, value in os.environ.items() if name not in ignored | {"PYTHONPATH"}}
    environment["NO_ALBUMENTATIONS_UPDATE"] = "1"
    done = subprocess.run(  # noqa: S603 - the operator installed the program; the arguments are ours
        [program, *arguments(listed, output, config)], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise LoomError(
            f"img2dataset ended with exit code {done.returncode}: {last}",
            where=PROGRAM,
            remedy="run img2dataset by hand to see its whole output",
        )
    _read_back(listed, output, on_outcome)


def _write_list(urls: Iterable[str], check: Refuse, path: str, on_outcome: Callable[[str, ImageOutcome], None]) -> int:
    """Write the URLs that pass the check as Parquet; return their number."""
    schema, count, batch = pa.schema([pa.field("url", pa.string())]), 0, list[str]()
    with storage.open_output(path) as handle, pq.ParquetWriter(handle, schema) as writer:
        for url in urls:
            refused = check(url)
            if refused is not None:
                on_outcome(url, refused)
                continue
            batch.append(url)
            count += 1
            if len(batch) == BATCH_ROWS:
                writer.write_table(pa.table({"url": batch}, schema=schema))
                batch = []
        writer.write_table(pa.table({"url": batch}, schema=schema))
    return count


def _listed(path: str) -> Iterator[str]:
    with storage.open_input(path) as handle, pq.ParquetFile(handle) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            yield from batch.column(0).to_pylist()


def _read_back(listed: str, output: str, on_outcome: Callable[[str, ImageOutcome], None]) -> None:
    """Call `on_outcome` for each outcome in the shards, then with Dead for each URL without one."""
    open_urls = set(_listed(listed))
    for shard in list_shards(output):
        for sample in read_shard(shard):
            if sample.url not in open_urls:
                continue
            open_urls.discard(sample.url)
            if sample.image is not None and sample.verdict is None:
                on_outcome(sample.url, FetchedImage(body=sample.image, fetched_at=now()))
            else:
                on_outcome(sample.url, _verdict(sample.verdict))
    for url in sorted(open_urls):
        on_outcome(url, Dead("not_fetched"))


def _verdict(verdict: Rejected | Dead | None) -> Rejected | Dead:
    """Return the verdict on a failed URL: an opt-out that img2dataset honoured is a rejection.

    Raises ShortageError if the program had no descriptor, memory or disk space left: that is no fault of the URL.
    """
    if isinstance(verdict, Dead):
        raise_shortage(OSError(verdict.message), PROGRAM)
    if isinstance(verdict, Dead) and "X-Robots-Tag" in verdict.message:
        return Rejected("opt_out_x_robots_tag")
    return verdict or Dead("failed_to_download")
