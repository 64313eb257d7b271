"""A build fetches images by the wishes that its recipe honours."""

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.net.config import SIGNALS, FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe


def config(*assignments: str, **fetch: object) -> BuildConfig:
    return BuildConfig(
        recipe=load_recipe("m3w", assignments),
        out="o",
        work="w",
        store="s",
        warcs=(),
        fetch=FetchConfig(contact="me@example.org", **fetch),  # type: ignore[arg-type]
    )


def test_all_opt_outs_are_honoured_unless_the_recipe_says_otherwise() -> None:
    assert config().image_fetch.honour == SIGNALS
    assert config('honour.signals=["noai"]').image_fetch.honour == ("noai",)
    assert config("honour.signals=[]").image_fetch.honour == ()


def test_agents_of_the_command_line_and_of_the_recipe_are_both_obeyed() -> None:
    found = config('honour.agents=["CCBot"]', agents=("GPTBot",)).image_fetch
    assert found.agents == ("GPTBot", "CCBot")
    assert config().image_fetch.agents == ()


def test_the_rest_of_the_fetcher_is_as_asked_for() -> None:
    found = config("honour.signals=[]", delay=3.0).image_fetch
    assert (found.contact, found.delay) == ("me@example.org", 3.0)
