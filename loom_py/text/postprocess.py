"""Post-processors of `tokenizer.json`: the special tokens around a text."""

from __future__ import annotations

from ..schema.fields import Fields, is_whole
from .tokenizer_fields import MAX_ID, unsupported


def build_post_processor(node: Fields | None) -> list[list[int] | None]:
    """The template for one text: fixed ids, with `None` where the text's own ids go. Raises `TokenizerError`."""
    if node is None:
        return [None]
    kind = node.string("type")
    match kind:
        case "ByteLevel":  # it only trims offsets, which are not kept here
            return [None]
        case "TemplateProcessing":
            return _template(node)
        case "BertProcessing" | "RobertaProcessing":
            return [[_pair(node, "cls")], None, [_pair(node, "sep")]]
        case "Sequence":
            template: list[list[int] | None] = [None]
            for child in node.objects("processors", required=True):
                inner = template
                template = []
                for part in build_post_processor(child):
                    template += inner if part is None else [part]
                if len(template) > 1000:
                    raise child.error("makes a template of more than 1000 parts")
            return template
    raise unsupported(node, f"the post-processor {kind[:40]!r}", "type")


def _pair(node: Fields, key: str) -> int:
    """The id of a `["<s>", 0]` field."""
    pair = node.array(key)
    if len(pair) != 2 or type(pair[0]) is not str or not is_whole(pair[1], exact=True) or not 0 <= pair[1] <= MAX_ID:
        raise node.error("expected an array of a token and its id", key)
    return pair[1]


def _template(node: Fields) -> list[list[int] | None]:
    specials = node.object("special_tokens")
    template: list[list[int] | None] = []
    for piece in node.objects("single", required=True):
        if set(piece.values) == {"Sequence"}:
            if piece.object("Sequence").string("id", choices=("A", "B")) != "A":
                raise piece.error("the template for one text names the second text", "Sequence", "id")
            template.append(None)
        elif set(piece.values) == {"SpecialToken"}:
            name = piece.object("SpecialToken").string("id")
            if name not in specials.values:
                raise piece.error(f"names {name[:40]!r}, which special_tokens does not have", "SpecialToken", "id")
            template.append(specials.object(name).integers("ids", maximum=MAX_ID))
        else:
            raise piece.error("expected a 'Sequence' or a 'SpecialToken'")
    if len(template) > 1000:
        raise node.error("has more than 1000 parts", "single")
    return template
