"""Each question about a scene has one right answer, and the vocabulary has all words."""

from benchmarks.claims_vilbert.questions import CHOICES, QUESTIONS, choices, expressions, questions, words
from benchmarks.claims_vilbert.world import Scene, Thing, make_scene, relation

SCENES = [make_scene(number) for number in range(60)]


def named(scene: Scene, name: str) -> Thing:
    return next(thing for thing in scene.things if thing.name == name)


def test_answers_are_those_of_the_scene() -> None:
    answers = set()
    for scene in SCENES:
        colour, size, there, standing = questions(scene)
        shape = colour.text.removeprefix("what colour is the ").removesuffix("?")
        assert [thing.colour for thing in scene.things if thing.shape == shape] == [colour.answer]
        name = size.text.removeprefix("is the ").removesuffix(" small or large?")
        assert named(scene, name).size == size.answer
        name = there.text.removeprefix("is there a ").removesuffix("?")
        assert (name in {thing.name for thing in scene.things}) == (there.answer == "yes")
        first, second = standing.text.removeprefix("how is the ").removesuffix("?").split(" to the ")
        assert relation(named(scene, first), named(scene, second)).startswith(standing.answer)
        answers.add(there.answer)
    assert answers == {"yes", "no"}
    assert QUESTIONS == 4


def test_the_first_choices_are_right_and_all_differ() -> None:
    for scene in SCENES:
        asked = choices(scene)
        thing = scene.things[asked.thing]
        assert asked.answers[0] == f"it is {thing.colour}"
        assert asked.rationales[0] == f"the {thing.size} {thing.shape} is on the {thing.side}"
        assert len(set(asked.answers)) == len(set(asked.rationales)) == CHOICES
        assert sum(other.shape == thing.shape for other in scene.things) == 1


def test_an_expression_with_a_relation_fits_one_object_alone() -> None:
    kinds = set()
    for scene in SCENES:
        for at, text in expressions(scene):
            for how in ("left of", "right of", "above", "below"):
                if f" {how} the " in text:
                    shape, other = text.split(f" {how} the ")
                    fitting = [t for t in scene.things if t.shape == shape and relation(t, named(scene, other)) == how]
                    assert fitting == [scene.things[at]]
                    kinds.add(how)
    assert len(kinds) == 4


def test_the_vocabulary_has_all_words() -> None:
    known = set(words())
    for scene in SCENES:
        asked = choices(scene)
        texts = [scene.caption, *asked.answers, *asked.rationales, *(text for _, text in expressions(scene))]
        texts += [f"{question.text} {question.answer}" for question in questions(scene)]
        assert set(" ".join(texts).replace("?", " ?").split()) <= known
