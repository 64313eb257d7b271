"""A pair is of a listed site if its page, or without a page its image, is on a listed domain or below one."""

from pathlib import Path

import pytest

from corpusloom.pipelines.filters.pairs.sites import SitesConfig, measure_site, read_sites, rules
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.verdicts import Kept, Rejected, decide

LISTED = frozenset({"museum.example", "xn--mnchen-3ya.example"})


@pytest.mark.parametrize(
    ("page", "image", "listed"),
    [
        ("https://museum.example/a", "https://cdn.example/a.jpg", 1.0),
        ("https://WWW.Museum.example:8080/a", "", 1.0),
        ("https://a.b.museum.example./", "", 1.0),
        ("https://othermuseum.example/", "https://museum.example/a.jpg", 0.0),
        ("https://museum.example.evil.example/", "", 0.0),
        ("https://example/", "", 0.0),
        ("https://münchen.example/", "", 1.0),
        ("", "https://img.museum.example/a.jpg", 1.0),
        ("", "not a url", 0.0),
    ],
)
def test_subdomains_are_listed_and_other_domains_are_not(page: str, image: str, listed: float) -> None:
    assert measure_site(page, image, LISTED) == {"listed_site": listed}


def test_domains_come_from_the_recipe_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sites.txt"
    path.write_text("\ufeff# museums\n\n Museum.example \n.münchen.example\n", "utf-8")
    config = SitesConfig(domains=("archive.example.",), path=str(path))
    assert read_sites(config) == LISTED | {"archive.example"}


def test_a_rule_without_a_list_is_refused_with_the_key_to_set() -> None:
    with pytest.raises(ConfigError, match=r"no list of sites.*filters\.sites\.path=FILE"):
        read_sites(SitesConfig(only_listed=True))
    assert read_sites(SitesConfig()) == frozenset()


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        read_sites(SitesConfig(path=str(tmp_path / "absent")))


@pytest.mark.parametrize("text", ["https://museum.example", "museum.example/a", "*.example", "a b", "", "."])
def test_a_text_that_is_no_domain_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no domain"):
        SitesConfig(domains=(text,))


def test_only_the_rule_that_is_on_rejects() -> None:
    scores = measure_site("https://other.example/", "", LISTED)
    assert decide(scores, rules(SitesConfig(only_listed=True))) == Rejected("site_not_listed", 0.0, 1)
    assert decide(scores, rules(SitesConfig())) == Kept()
