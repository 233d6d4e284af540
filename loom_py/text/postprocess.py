"""Post-processors of `tokenizer.json`: the special tokens around a text."""

from __future__ import annotations

from .json_node import Node


def build_post_processor(node: Node | None) -> list[list[int] | None]:
    """The template for one text: fixed ids, with `None` where the text's own ids go. Raises `TokenizerError`."""
    if node is None:
        return [None]
    kind = node.get("type", str)
    match kind:
        case "ByteLevel":  # trims offsets, which are not kept here
            return [None]
        case "TemplateProcessing":
            return _template(node)
        case "BertProcessing" | "RobertaProcessing":
            return [[_pair(node, "cls")], None, [_pair(node, "sep")]]
        case "Sequence":
            template: list[list[int] | None] = [None]
            for child in node.children("processors"):
                inner = template
                template = []
                for part in build_post_processor(child):
                    template += inner if part is None else [part]
                if len(template) > 1000:
                    child.fail("makes a template of more than 1000 parts")
            return template
    node.unsupported(f"the post-processor {kind[:40]!r}", "type")


def _pair(node: Node, key: str) -> int:
    """The id of a `["<s>", 0]` field."""
    pair = node.items(key)
    if len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not int or not 0 <= pair[1] < 2**32:
        node.fail("must be an array of a token and its id", key)
    return pair[1]


def _template(node: Node) -> list[list[int] | None]:
    specials = node.child("special_tokens")
    template: list[list[int] | None] = []
    for piece in node.children("single"):
        if set(piece.value) == {"Sequence"}:
            if piece.child("Sequence").choice("id", ("A", "B")) != "A":
                piece.fail("the template for one text names the second text", "Sequence", "id")
            template.append(None)
        elif set(piece.value) == {"SpecialToken"}:
            name = piece.child("SpecialToken").get("id", str)
            if name not in specials.value:
                piece.fail(f"names {name[:40]!r}, which special_tokens does not have", "SpecialToken", "id")
            ids = specials.child(name).items("ids")
            for i, value in enumerate(ids):
                if type(value) is not int or not 0 <= value < 2**32:
                    specials.fail("must be a token id", name, "ids", i)
            template.append(list(ids))
        else:
            piece.fail("must be a 'Sequence' or a 'SpecialToken'")
    if len(template) > 1000:
        node.fail("has more than 1000 parts", "single")
    return template
