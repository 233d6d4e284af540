"""The search page, used as a visitor uses it: the site's own all-MiniLM-L6-v2 reads notes and finds them by meaning."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Page, expect

from .conftest import Open

PAGE = "search.html"
BOOT_MS = 90_000
READ_MS = 120_000
DESKTOP = {"width": 1280, "height": 1000}


@pytest.fixture(scope="module")
def page(open_module_page: Open, isolated_url: str) -> Page:
    """With the example's notes in it."""
    page = open_module_page(isolated_url + PAGE, viewport=DESKTOP)
    page.get_by_role("button", name="Try the example").click()
    expect(page.locator("#outcome")).to_have_text("12 passages added.", timeout=BOOT_MS + READ_MS)
    return page


def file(name: str, text: str | bytes) -> FilePayload:
    data = text if isinstance(text, bytes) else text.encode()
    return FilePayload(name=name, mimeType="application/octet-stream", buffer=data)


def search(page: Page, words: str) -> list[tuple[float, str]]:
    """Score and passage of each result."""
    page.get_by_label("What are you looking for?").fill(words)
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text(f"nearest to «{words}»", timeout=BOOT_MS + READ_MS)
    scores = page.locator("#results .score").all_text_contents()
    return list(zip(map(float, scores), page.locator("#results .found").all_text_contents(), strict=True))


def ready(page: Page) -> None:
    expect(page.locator("#stop")).to_be_hidden(timeout=BOOT_MS + READ_MS)
    expect(page.locator("#error")).to_be_hidden()


FINDS = {
    "what grows well in the shade": ("Ferns and hostas", "Tomatoes need", "Slugs ate"),
    "noise when I slow down in wet weather": ("The rear brake squeals",),
    "travel documents": ("The passport expires",),
    "recipe with pulses": ("Lentil soup", "Bread:", "The knife"),
    "a present for granny": ("Grandmother's birthday",),
}


@pytest.mark.parametrize("words", FINDS)
def test_notes_are_found_by_meaning(page: Page, words: str) -> None:
    hits = search(page, words)
    assert len(hits) == 10
    for expected, (_, passage) in zip(FINDS[words], hits, strict=False):
        assert expected in passage
    scores = [score for score, _ in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)


def test_a_passage_is_nearest_to_itself(page: Page) -> None:
    text = "Garden: Slugs ate the lettuce again. Copper tape around the bed keeps them away better than beer traps."
    score, passage = search(page, text)[0]
    assert (score, passage) == (1.0, text)


def test_a_result_is_shown_whole(page: Page) -> None:
    search(page, "what grows well in the shade")
    page.locator("#results button").first.click()
    shown = page.get_by_role("region", name="Example")
    expect(shown).to_contain_text("They only want moist soil.")
    expect(page.locator("#passage-title")).to_be_focused()


def test_the_map_is_the_first_two_principal_components(page: Page) -> None:
    """The points are where NumPy's singular vectors of the exported embeddings put them, up to their signs."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Export the index").click()
    exported = json.loads(Path(download.value.path()).read_text())
    assert (exported["format"], exported["version"], exported["model"]) == ("loom-notes", 1, "all-MiniLM-L6-v2")
    vectors = np.stack([decoded(p["vector"]) for note in exported["notes"] for p in note["passages"]])
    assert vectors.shape == (12, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    centred = vectors - vectors.mean(0, dtype=np.float64)
    u, values, _ = np.linalg.svd(centred, full_matrices=False)
    expected = u[:, :2] * values[:2]
    result = page.evaluate(
        """async (rows) => {
            const { loom } = await import("/loom.js");
            const session = await loom.start();
            const toolbox = await session.createToolbox();
            const { points } = await toolbox.principalComponents(rows.map((row) => new Float32Array(row)), 2);
            session.dispose();
            return points;
        }""",
        vectors.tolist(),
    )
    np.testing.assert_allclose(np.abs(result), np.abs(expected), atol=1e-5)


def decoded(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_points_of_the_map_can_be_pointed_at_and_clicked(page: Page) -> None:
    """Somewhere on a fine grid over the map lies each of the twelve points."""
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    assert box is not None
    words = page.locator("#map-words")
    seen: dict[str, tuple[float, float]] = {}
    for row in range(12, int(box["height"]), 20):
        for column in range(12, int(box["width"]), 20):
            page.mouse.move(box["x"] + column, box["y"] + row)
            text = words.text_content() or ""
            if text:
                seen.setdefault(text, (box["x"] + column, box["y"] + row))
    assert len(seen) >= 10  # of points that lie close together, one hides another
    text, place = next((text, place) for text, place in seen.items() if "passport" in text)
    page.mouse.click(*place)
    expect(page.locator("#passage-text")).to_contain_text("The passport expires in March.")
    assert text.startswith("Example: Home: The passport")


def test_the_map_by_keyboard(page: Page) -> None:
    chart = page.get_by_role("application", name="Map")
    chart.focus()
    words = page.locator("#map-words")
    page.keyboard.press("ArrowRight")
    first = words.inner_text()
    assert first
    walked = {first}
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        walked.add(words.inner_text())
    assert len(walked) >= 3
    last = words.inner_text()
    page.keyboard.press("Enter")
    passage = page.locator("#passage-text").inner_text()
    assert last.removeprefix("Example: ").removesuffix(" …") in passage


def test_a_reload_finds_everything_again(page: Page) -> None:
    """Without the model: it is wanted for the next question only."""
    before = search(page, "travel documents")
    page.reload()
    expect(page.locator("#counts")).to_contain_text("12 passages in 1 note", timeout=BOOT_MS)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#map-words")).not_to_be_empty()
    assert search(page, "travel documents") == before


def test_files_of_every_kind(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + PAGE)
    rows = [{"title": "Moon", "text": "Our satellite has no air."}, "Whales are mammals and breathe air."]
    page.get_by_label("Or files").set_input_files(
        [
            file("facts.json", json.dumps(rows)),
            file("list.txt", "- buy milk\n- call the dentist about the tooth\n- water the plants\n"),
            file("notes.md", "# Car\n\nThe oil was changed in May.\n\n## Tyres\n\nWinter tyres are in the cellar.\n"),
        ]
    )
    expect(page.locator("#outcome")).to_have_text("7 passages added.", timeout=BOOT_MS + READ_MS)
    assert search(page, "lunar atmosphere")[0][1] == "Moon: Our satellite has no air."
    assert search(page, "my tooth hurts")[0][1] == "call the dentist about the tooth"
    assert search(page, "wheels for snow")[0][1] == "Tyres: Winter tyres are in the cellar."
    page.get_by_label("Or files").set_input_files([file("facts.json", json.dumps(rows))])
    expect(page.locator("#outcome")).to_have_text("0 passages added. 1 note already there.")
    page.get_by_role("button", name="Remove facts.json").click()
    expect(page.locator("#counts")).to_contain_text("5 passages in 2 notes")
    expect(page.get_by_role("heading", name="Notes", exact=True)).to_be_focused()
    assert not any("satellite" in passage for _, passage in search(page, "lunar atmosphere"))
    page.reload()
    expect(page.locator("#counts")).to_contain_text("5 passages in 2 notes", timeout=BOOT_MS)


def test_export_and_import(page: Page, open_page: Open, plain_url: str, tmp_path: Path) -> None:
    """Another browser needs the model for its questions, not for the index."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Export the index").click()
    path = tmp_path / "notes.json"
    download.value.save_as(path)
    hits = search(page, "recipe with pulses")
    other = open_page(plain_url + PAGE)
    requests: list[str] = []
    other.context.on("request", lambda request: requests.append(request.url))
    other.get_by_label("Or files").set_input_files(path)
    expect(other.locator("#counts")).to_contain_text("12 passages in 1 note", timeout=BOOT_MS)
    assert not any("model.safetensors" in url for url in requests)
    assert search(other, "recipe with pulses") == hits
    exported = json.loads(path.read_text())
    exported["model"] = "another"
    other.on("dialog", lambda dialog: dialog.accept())
    other.get_by_role("button", name="Remove all").click()
    expect(other.locator("#counts")).to_have_text("None yet.")
    other.get_by_label("Or files").set_input_files([file("notes.json", json.dumps(exported))])
    expect(other.locator("#counts")).to_contain_text("12 passages", timeout=READ_MS)
    assert search(other, "recipe with pulses") == hits  # read anew


WRONG = {
    "photo.png": (b"\x89PNG\r\n\x1a\n\0\0", "photo.png: is no text"),
    "latin.txt": ("Größe".encode("latin-1"), "latin.txt: is no text"),
    "empty.md": (b" \n\n", "empty.md: holds no text"),
    "cut.json": (b'{"notes": [', "cut.json: is no JSON"),
    "numbers.json": (b"[1, 2, {}]", "numbers.json: holds no texts"),
    "old.json": (
        b'{"format": "loom-notes", "version": 7, "notes": []}',
        "old.json at version: expected version 1, got 7",
    ),
    "bad.json": (
        b'{"format": "loom-notes", "version": 1, "model": "all-MiniLM-L6-v2", "notes": [{"id": "a", "name": "n", '
        b'"passages": [{"text": "t", "vector": "AAAAfw=="}, {"text": "t", "vector": "AAA"}]}]}',
        "bad.json at notes[0].passages[1].vector: is no vector",
    ),
}


def test_bad_files_are_named_and_the_others_read(page: Page) -> None:
    good = file("good.txt", "Bees sleep in winter.")
    page.get_by_label("Or files").set_input_files([file(name, data) for name, (data, _) in WRONG.items()] + [good])
    expect(page.locator("#error")).to_contain_text("photo.png", timeout=READ_MS)
    shown = page.locator("#error").inner_text()
    for _, words in WRONG.values():
        assert words in shown
    expect(page.locator("#notes")).to_contain_text("good.txt")
    page.get_by_role("button", name="Remove good.txt").click()
    expect(page.locator("#error")).to_be_hidden()
    expect(page.locator("#counts")).to_contain_text("12 passages in 1 note")


def test_what_is_missing_is_said(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + PAGE)
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#error")).to_have_text("Write what you are looking for.", timeout=BOOT_MS)
    expect(page.get_by_label("What are you looking for?")).to_be_focused()
    page.get_by_label("What are you looking for?").fill("x")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#error")).to_contain_text("There are no notes to search")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#error")).to_contain_text("Paste or write a text first")


def test_reading_can_be_cancelled(page: Page) -> None:
    """What was there stays, and nothing of what came is."""
    text = "\n\n".join(f"Note number {i} says that the train to platform {i * 7} is late." for i in range(3000))
    page.get_by_label("Or files").set_input_files([file("long.txt", text)])
    expect(page.locator("#status")).to_have_text(re.compile(r"Reading passages: [1-9]\d* of 3000"), timeout=READ_MS)
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_have_text("Cancelled; nothing was changed.", timeout=READ_MS)
    expect(page.locator("#error")).to_be_hidden()
    expect(page.locator("#counts")).to_contain_text("12 passages in 1 note")
    assert FINDS["travel documents"][0] in search(page, "travel documents")[0][1]


def test_two_tabs_keep_each_others_notes(open_page: Open, plain_url: str) -> None:
    one = open_page(plain_url + PAGE)
    expect(one.locator("#status")).to_contain_text("is ready", timeout=BOOT_MS)
    two = one.context.new_page()
    two.goto(plain_url + PAGE)
    expect(two.locator("#status")).to_contain_text("is ready", timeout=BOOT_MS)
    for tab, name in ((one, "first.txt"), (two, "second.txt")):
        tab.get_by_label("Or files").set_input_files([file(name, f"The text of {name}.")])
        expect(tab.locator("#notes")).to_contain_text(name, timeout=READ_MS)
        ready(tab)
    expect(two.locator("#counts")).to_contain_text("2 passages in 2 notes")
    two.get_by_role("button", name="Remove first.txt").click()
    expect(two.locator("#counts")).to_contain_text("1 passages in 1 note")
    one.get_by_label("Or files").set_input_files([file("third.txt", "The text of third.txt.")])
    expect(one.locator("#counts")).to_contain_text("2 passages in 2 notes", timeout=READ_MS)
    expect(one.locator("#notes")).not_to_contain_text("first.txt")
    one.reload()
    expect(one.locator("#counts")).to_contain_text("2 passages in 2 notes", timeout=BOOT_MS)


PASSAGES: dict[str, tuple[str, list[str]]] = {
    "paragraphs": ("One\ntwo.\n\nThree.\r\n\r\n\r\nFour.", ["One two.", "Three.", "Four."]),
    "headings": ("# A\n\nx\n\ny\n## B ##\nz\n# C\n", ["A: x", "A: y", "B: z", "C"]),
    "items": ("To do:\n- a b\n  c\n2) d\n* [x] e\n\nEnd", ["To do:", "a b c", "d", "e", "End"]),
    "lines": ("milk\nbread\nring the bank", ["milk", "bread", "ring the bank"]),
    "wrapped": (
        "This text was broken at a width of fifty, as\nmany programs of old used to do with their texts,\n"
        "so that all of its lines are about as long\nbut the last.",
        [
            "This text was broken at a width of fifty, as many programs of old used to do with their texts, "
            "so that all of its lines are about as long but the last."
        ],
    ),
    "code": ("a\n\n```js\nlet x;\n\n# not a heading\n```\nb", ["a", "let x;\n\n# not a heading", "b"]),
    "rules": ("a\n\n---\n\nb", ["a", "b"]),
    "nothing": (" \n\n\t", []),
}


@pytest.mark.parametrize("case", PASSAGES)
def test_passages(page: Page, case: str) -> None:
    text, expected = PASSAGES[case]
    assert passages(page, text) == expected


def passages(page: Page, text: str) -> list[str]:
    return page.evaluate(
        "async (text) => (await import('/demos/passages.js')).passagesOf(text)",
        text,
    )


def test_long_passages_end_at_sentences(page: Page) -> None:
    sentence = "The quick brown fox number {} jumps over the lazy dog and runs away into the forest. "
    text = "".join(sentence.format(i) for i in range(40))
    parts = passages(page, text)
    assert " ".join(parts) == text.strip()
    assert all(part.endswith("forest.") and 600 < len(part) <= 800 for part in parts[:-1])
    unbroken = passages(page, "x" * 2000)
    assert "".join(unbroken) == "x" * 2000
    assert max(map(len, unbroken)) <= 800


def test_json_texts(page: Page) -> None:
    value = {
        "a": [{"name": "N", "content": "one\n\ntwo", "id": "x"}, {"deep": {"note": "three"}}, 5, None],
        "b": "four",
    }
    got = page.evaluate("async (v) => (await import('/demos/passages.js')).passagesOfJson(v, 'f')", value)
    assert got == ["N: one", "N: two", "three", "four"]


def test_the_sites_own_model_is_described(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + "index.html")
    result = page.evaluate(
        """async () => {
            const { loom } = await import("/loom.js");
            const session = await loom.start();
            const own = (await loom.siteModels()).find(({ task }) => task === "feature-extraction");
            const report = await session.inspectModel({ files: own.files, name: own.title });
            session.dispose();
            return { report, license: own.license };
        }"""
    )
    assert result["license"] == "Apache-2.0"
    report = result["report"]
    assert (report["kind"], report["family"], report["fits"], report["problem"]) == ("encoder", "bert", True, "")
    assert 90e6 < report["memory"]["weights"] < 92e6
