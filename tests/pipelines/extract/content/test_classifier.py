"""The block classifier in numpy: threshold, storage, and the shipped weights on the bundled pages."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.pipelines.extract.content import classifier
from corpusloom.pipelines.extract.content.features import Features
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted

PAGES = Path(__file__).parents[1] / "pages"


def weights(inputs: int, width: int, rng_seed: int = 0) -> classifier.Weights:
    rng = np.random.default_rng(rng_seed)
    shapes = {
        "enter": (width, inputs),
        "near": (width, width, 5),
        "far": (width, width, 5),
        "around": (width, 4 * width),
        "leave": (32, width),
        "logit": (1, 32),
    }
    parameters = {}
    for name, shape in shapes.items():
        parameters[f"{name}.weight"] = (rng.standard_normal(shape) / 8).astype(np.float32)
        parameters[f"{name}.bias"] = rng.standard_normal(shape[0]).astype(np.float32)
    return classifier.Weights(np.zeros(inputs, np.float32), np.ones(inputs, np.float32), parameters)


def features(count: int, inputs: int) -> Features:
    rng = np.random.default_rng(1)
    first = np.zeros((count, 4), np.int64)
    return Features(
        rng.standard_normal((count, inputs)).astype(np.float32), np.stack([first, np.full_like(first, count)], 2)
    )


def test_the_network_equals_the_one_that_is_trained() -> None:
    torch = pytest.importorskip("torch")
    training = pytest.importorskip("benchmarks.train_block_classifier")
    torch.set_num_threads(1)
    own, seen = weights(7, 8), features(30, 7)
    network = training.Network(7, 8, 0.0).eval()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in own.parameters.items()})
    with torch.no_grad():
        expected = network(torch.from_numpy(seen.numbers), torch.from_numpy(seen.spans), torch.ones(30, 1)).numpy()
    np.testing.assert_allclose(classifier.forward(own, seen), expected, rtol=1e-4, atol=1e-5)


def test_weights_survive_storage_in_half_precision(tmp_path: Path) -> None:
    members, seen = [weights(7, 8), weights(7, 8, 2)], features(30, 7)
    classifier.save(members, tmp_path / "w.npz")
    stored = classifier.load(tmp_path / "w.npz")
    assert len(stored) == 2
    found, expected = classifier.probabilities(seen, stored), classifier.probabilities(seen, members)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_the_threshold_maximises_expected_f1() -> None:
    probability = np.array([0.95, 0.9, 0.45, 0.4, 0.02, 0.01], np.float32)
    lengths = np.array([100, 80, 60, 5, 300, 400], np.float32)

    def expected_f1(keep: np.ndarray) -> float:
        return 2 * (probability * lengths)[keep].sum() / (lengths[keep].sum() + (probability * lengths).sum())

    kept = classifier.kept(probability, lengths)
    every = [np.array([bool(code >> bit & 1) for bit in range(6)]) for code in range(1, 64)]
    assert expected_f1(kept) == pytest.approx(max(expected_f1(keep) for keep in every))


def test_a_page_that_is_uncertain_throughout_keeps_something() -> None:
    assert classifier.kept(np.full(5, 0.15, np.float32), np.full(5, 20, np.float32)).all()


@pytest.mark.parametrize(
    ("page", "kept", "dropped"),
    [
        (
            "article",
            ["Without the line it would drift", "Lift comes from", "4\t9", "return 0.5625"],
            ["cookies", "Tweet"],
        ),
        ("forum", ["flies from five knots", "thin braided line"], ["Log in", "enable JavaScript"]),
    ],
)
def test_shipped_weights_tell_content_from_the_rest(page: str, kept: list[str], dropped: list[str]) -> None:
    html = (PAGES / f"{page}.html").read_bytes()
    found = extract(html, "https://site.example/", config=ExtractConfig(method="learned"))
    assert isinstance(found, Extracted)
    text = "\n".join(block.text for block in found.blocks if block.text)
    assert [part for part in kept if part not in text] == []
    assert [part for part in dropped if part in text] == []
