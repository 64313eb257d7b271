"""`loom chat`: asks a Flamingo about images."""

import contextlib
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from corpusloom.pipelines.cli.chat_lines import answer, talk
from corpusloom.pipelines.cli.flags import OutputFlags, check_least, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError

if TYPE_CHECKING:
    from corpusloom.trainers.flamingo.chat.session import Responder


@dataclass(frozen=True, kw_only=True)
class Command:
    """Talk with a Flamingo about images: in the terminal, from lines on standard input, or on a page.

    Examples:
      loom chat --checkpoint runs/flamingo cat.jpg dog.jpg
      loom chat --checkpoint runs/flamingo cat.jpg --prompt "what is it?" "is it black?" --json
      loom chat --checkpoint runs/flamingo cat.jpg --complete --prompt "<image>Output:"
      loom chat --checkpoint runs/flamingo a.png b.png --complete --prompt "<image>It says LOOM<EOC><image>It says"
      loom chat --checkpoint runs/flamingo clip.mp4 --prompt "what happens?"
      loom chat --checkpoint runs/flamingo --page
      loom chat --checkpoint runs/flamingo frames/ --turns "User:" "Flamingo:" --prefix "A talk about a video."
    """

    MAIN: ClassVar[str] = "checkpoint prompt complete turns prefix tokens page json"
    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE")] = ()
    """Images and videos (mp4, avi, mkv, webm) before the first text. A folder is a video: its images are the frames, in
    the order of their names."""
    checkpoint: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """Checkpoint of a Flamingo, or the folder of its run (its newest checkpoint)."""
    prompt: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TEXT")] = ()
    """Texts to reply to, one after the other; if not given, the lines of standard input."""
    complete: bool = False
    """Continue texts as they are, without keywords: captions, few-shot prompts, text in images."""
    turns: Annotated[tuple[str, str], tyro.conf.arg(metavar="KEYWORD")] = ("Question:", "Answer:")
    """Keywords before a text and before its reply."""
    prefix: Annotated[str, tyro.conf.arg(metavar="TEXT")] = ""
    """Text before the first turn and its images."""
    tokens: int = 32
    """New tokens per reply, at most."""
    beams: int | None = None
    """Beams of the search for a reply, 1 for the likeliest token each time; by default 3, or 1 with --top-p."""
    top_p: float | None = None
    """Draw each token from the likeliest ones that have this share of the probability together."""
    temperature: float = 1.0
    """With --top-p: divisor of the logits."""
    seed: int = 0
    """With --top-p: seed of the draws."""
    page: bool = False
    """Serve a page on which pictures and texts are put in order, to this machine alone, until Ctrl-C."""
    port: int | None = None
    """Port of the page; if not given, any free one."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """New paths of frozen parts that moved: model.vision.checkpoint=PATH ..."""
    device: str | None = None
    """cpu, cuda ...; if not given, the fastest available."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Reply to texts."""
        for flag, value in (("--tokens", self.tokens), ("--beams", self.beams)):
            check_least(flag, value, 1)
        if any(not text.strip() for text in self.prompt):
            raise ConfigError("--prompt is an empty text", remedy="write a question or a text to continue")
        if not all(word.strip() for word in self.turns):
            raise ConfigError("--turns has an empty keyword", remedy="leave --turns out, or give --complete")
        self._check_page()
        for path in self.images:
            if not storage.exists(path):
                raise InputError("no such image", where=path, remedy="give an image, a video or a folder of frames")
        extras.require("train", extras.TRAIN, "loom chat")
        from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm
        from corpusloom.trainers.flamingo.chat.session import Session
        from corpusloom.trainers.flamingo.decoding import DecodingConfig
        from corpusloom.trainers.jobs.chat import open_responder

        decoding = DecodingConfig(
            limit=self.tokens,
            beams=self.beams or (3 if self.top_p is None else 1),
            top_p=self.top_p,
            temperature=self.temperature,
            rng_seed=self.seed,
        )
        asks, answers = ("", "") if self.complete else self.turns
        form, reporter = DialogueForm(self.prefix, asks, answers), self.output.reporter()
        responder = open_responder(self.checkpoint, form, decoding, device=self.device, assignments=self.set)
        if self.page:
            self._serve(responder)
            return 0
        session = Session(responder)
        for path in self.images:
            session.add_image(path)
        for text in self.prompt:
            answer(session, text, reporter, json=self.output.json)
        if not self.prompt:
            talk(session, reporter, json=self.output.json)
        return 0

    def _check_page(self) -> None:
        """Raise ConfigError for flags that do not fit a page."""
        if self.port is not None and not self.page:
            raise ConfigError("--port without --page", remedy="add --page, or leave --port out")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ConfigError(f"--port is {self.port}", remedy="give 1 to 65535")
        if self.page and (self.images or self.prompt):
            raise ConfigError("--page with images or --prompt", remedy="leave them out: they are given on the page")

    def _serve(self, responder: "Responder") -> None:
        """Serve the page until Ctrl-C."""
        from corpusloom.trainers.flamingo.chat.page_server import PageServer, serving

        with (
            contextlib.suppress(KeyboardInterrupt),
            serving(PageServer(responder, self.checkpoint, self.port or 0)) as url,
        ):
            if self.output.json:
                print_json({"url": url})
            else:
                show(url)
            sys.stdout.flush()
            self.output.reporter().note("  open this address in a browser on this machine; Ctrl-C ends")
            threading.Event().wait()
