"""Time of generating texts with a Flamingo: cached against recomputed, and a batch against one prompt at a time.

`python -m benchmarks.decode` prints, for a Llama of 8 layers of width 256 with a gated block before each second layer
and prompts of 8 images and about 130 tokens, the CPU seconds of 16 new tokens per prompt, least of `--rounds`.
"""

import argparse
import time
from collections.abc import Callable

import torch

from corpusloom.trainers.flamingo.config import FlamingoConfig, VisionEncoderConfig
from corpusloom.trainers.flamingo.decoding import DecodingConfig, Prompts, decode, pad_prompts
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.vision_encoder import load_vision
from corpusloom.trainers.lm import adapter

LANGUAGE = {
    "model_type": "llama",
    "vocab_size": 8000,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
IMAGES, TOKENS_PER_IMAGE, NEW, PROMPTS = 8, 16, 16, 8


def make_model() -> Flamingo:
    """Return a Flamingo with fresh weights and open gates."""
    torch.manual_seed(0)
    language = adapter.fresh(adapter.make_config(LANGUAGE, "benchmark")).eval()
    vision = load_vision(VisionEncoderConfig(config="clip-tiny"), "benchmark")
    model = Flamingo(FlamingoConfig(resampler_layers=2, every=2, heads=4, head_width=64), vision, language).eval()
    for block in model.gated:
        torch.nn.init.constant_(block.attention_gate, 0.5)
        torch.nn.init.constant_(block.ffw_gate, 0.5)
    return model


def make_prompts(model: Flamingo) -> list[Prompts]:
    """Return all prompts as one batch, then each alone; their lengths differ by one token each."""
    visual = model.encode_images(
        torch.randint(0, 256, (PROMPTS, IMAGES, 1, 3, model.image_size, model.image_size), dtype=torch.uint8)
    ).detach()
    rows = []
    for number in range(PROMPTS):
        phi = [1 + place // TOKENS_PER_IMAGE for place in range(IMAGES * TOKENS_PER_IMAGE)] + [IMAGES] * number
        rows.append((torch.randint(0, 8000, (len(phi),)).tolist(), phi))
    alone = [pad_prompts([row], [images], 0) for row, images in zip(rows, visual, strict=True)]
    return [pad_prompts(rows, list(visual), 0), *alone]


@torch.no_grad()
def recompute(model: Flamingo, prompt: Prompts) -> None:
    """Read the whole text again for each new token."""
    tokens, phi = prompt.tokens, prompt.phi
    for _ in range(NEW):
        chosen = model(tokens, prompt.visual, phi)[:, -1].argmax(-1, keepdim=True)
        tokens, phi = torch.cat([tokens, chosen], 1), torch.cat([phi, phi[:, -1:]], 1)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process while `work` runs."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = make_model()
    together, *alone = make_prompts(model)
    config = DecodingConfig(limit=NEW)
    beams = DecodingConfig(limit=NEW, beams=3)
    ways: dict[str, Callable[[], object]] = {
        "recomputed, one by one": lambda: [recompute(model, prompt) for prompt in alone],
        "cached, one by one": lambda: [decode(model, prompt, config, ()) for prompt in alone],
        "cached, batch of 8": lambda: decode(model, together, config, ()),
        "cached, batch of 8, 3 beams": lambda: decode(model, together, beams, ()),
    }
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(options.rounds):
        for name, work in ways.items():
            least[name] = min(least[name], cpu_seconds(work))
    for name, seconds in least.items():
        print(f"{name:32} {seconds:7.3f} CPU s")
    print(f"recomputed / cached    {least['recomputed, one by one'] / least['cached, one by one']:.2f}")
    print(f"one by one / batch     {least['cached, one by one'] / least['cached, batch of 8']:.2f}")


if __name__ == "__main__":
    main()
