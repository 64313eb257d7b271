"""The hosts of the demo website: a body is made once, and a page has its ground truth."""

from corpusloom.pipelines.demo.resources import PageTruth, Resource, World


def test_a_body_is_made_when_it_is_first_asked_for_and_once() -> None:
    made: list[int] = []
    resource = Resource(lambda: bytes([len(made.append(1) or made)]))
    assert made == []
    assert [resource.body, resource.body] == [b"\x01", b"\x01"]
    assert Resource(b"ready").body == b"ready"


def test_a_page_is_a_resource_with_its_truth() -> None:
    world = World()
    world.add("b.localhost", "/logo.png", Resource(b"png", "image/png"))
    world.add_page("a.localhost", "/x.html", "<p>\u00e9</p>", "good", ("red star",))
    assert world.hosts == ["a.localhost", "b.localhost"]
    assert world.pages == [PageTruth("a.localhost", "/x.html", "good", ("red star",))]
    page = world.resources["a.localhost", "/x.html"]
    assert (page.body, page.status, page.content_type) == (b"<p>\xc3\xa9</p>", 200, "text/html; charset=utf-8")


def test_seeds_become_urls_on_the_port_where_the_website_is_served() -> None:
    world = World(seeds=["a.localhost/", "b.localhost/x/y.html"], exam_seeds=["exam.localhost/index.html"])
    assert world.seed_urls(81) == ["http://a.localhost:81/", "http://b.localhost:81/x/y.html"]
    assert world.seed_urls(81, exam=True) == ["http://exam.localhost:81/index.html"]
