"""Accuracy of answers: VQA's over ten annotators, iVQA's over five, and top-1."""

from collections.abc import Mapping, Sequence

from corpusloom.trainers.evaluation.answers.normalise import CONTRACTIONS, normalise

VQA_ENOUGH = 3
"""Annotators who give an answer that counts fully (arXiv 1505.00468, section 3)."""
IVQA_ENOUGH = 2
"""The same in iVQA (arXiv 2012.00451, section 6.1)."""


def vqa_accuracy(answer: str, references: Sequence[str], contractions: Mapping[str, str] = CONTRACTIONS) -> float:
    """Return the mean over the annotators of min(n / 3, 1), n of the other annotators having given the answer.

    As in the evaluation code of VQA v2, texts are normalised only if the annotators do not all agree.
    """
    given, wanted = _on_one_line(answer), [_on_one_line(reference) for reference in references]
    if len(set(wanted)) > 1:
        given, wanted = normalise(given, contractions), [normalise(text, contractions) for text in wanted]
    same = [text == given for text in wanted]
    total = sum(same)
    return sum(min((total - own) / VQA_ENOUGH, 1.0) for own in same) / len(same)


def _on_one_line(text: str) -> str:
    """Return a text with a blank for each line break and tab, as the evaluation code reads it."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def ivqa_accuracy(answer: str, references: Sequence[str], contractions: Mapping[str, str] = CONTRACTIONS) -> float:
    """Return min(n / 2, 1), n annotators having given the answer."""
    given = normalise(answer, contractions)
    return min(sum(normalise(text, contractions) == given for text in references) / IVQA_ENOUGH, 1.0)


def top1(answer: str, references: Sequence[str], contractions: Mapping[str, str] = CONTRACTIONS) -> float:
    """Return 1 if the answer is one of the references, both normalised, else 0."""
    given = normalise(answer, contractions)
    return float(any(normalise(text, contractions) == given for text in references))
