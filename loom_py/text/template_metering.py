"""Rewrites a parsed template so that it counts its work against the budget of `template_sandbox`.

Nesting is bounded before that: parser and compiler recurse, and in a page a stack overflow ends Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer

MAX_BLOCKS = 12  # statements inside each other
MAX_CHAIN = 40  # operators, filters, subscripts and so on that one expression can nest
MAX_TREE = 56  # levels of the syntax tree

_BLOCKS = frozenset(("block", "call", "filter", "for", "generation", "if", "macro", "with"))
_WORDS = frozenset(("and", "else", "if", "in", "is", "not", "or"))
_IGNORED = frozenset(("comment", "comment_begin", "comment_end", "data", "linecomment", "whitespace"))


def check_nesting(tokens: Iterable[tuple[int, str, str]]) -> None:
    """Refuses tokens that would make the parser recurse too deeply, or build a tree that is too deep even to be freed.

    Takes `(line, type, text)` from the lexer. Every operator and every opened bracket may nest one level deeper than
    what stands before it in its brackets; a comma resets the count.
    """
    blocks = 0
    chains = [0]  # one count for every open bracket
    names_statement = may_be_block_set = False
    for line, kind, text in tokens:
        if kind in _IGNORED:
            continue
        if kind.endswith("_begin"):
            chains = [0]
            names_statement, may_be_block_set = kind == "block_begin", False
            continue
        if names_statement:
            names_statement = False
            may_be_block_set = text == "set"
            blocks += (text in _BLOCKS or may_be_block_set) - text.startswith("end")
        elif may_be_block_set and text == "=":  # `set` with a value has no end
            blocks -= 1
            may_be_block_set = False
        elif kind == "operator" and text in (")", "]", "}"):
            chains = chains[:-1] or [0]
        elif kind == "operator" and text == ",":
            chains[-1] = 0
        elif kind == "operator" or text in _WORDS:
            chains[-1] += 1
            if text in ("(", "[", "{"):
                chains.append(0)
        if blocks > MAX_BLOCKS or sum(chains) > MAX_CHAIN:
            raise TemplateSyntaxError("the template is nested too deeply", line)


def metered(tree: nodes.Template) -> nodes.Template:
    """The tree with metering added. Raises `TemplateSyntaxError` where it is too deep."""
    _check_depth(tree)
    tree = Metering().visit(tree)
    _check_depth(tree)
    return tree


def _check_depth(tree: nodes.Template) -> None:
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_TREE):
        level = [child for node in level for child in node.iter_child_nodes()]
    if level:
        raise TemplateSyntaxError("the template is nested too deeply", level[0].lineno)


class Generation(Extension):
    """`{% generation %}` marks the assistant's words for training; here it has no effect."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class Metering(NodeTransformer):
    """Charges a step before every statement, and replaces operations whose result can grow by measured ones."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise TemplateSyntaxError("other templates cannot be loaded", node.lineno)
        node = super().generic_visit(node, *args, **kwargs)
        for field, value in node.iter_fields(exclude=("elif_",)):
            if isinstance(value, list) and value and isinstance(value[0], nodes.Stmt):
                setattr(node, field, [paid for statement in value for paid in (_payment(statement), statement)])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _call("concat_values", node.nodes, node.lineno)

    def visit_List(self, node: nodes.List | nodes.Dict | nodes.Tuple) -> nodes.Node:
        return _call("weigh", [self.generic_visit(node)], node.lineno)

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self.visit_List(node) if node.ctx == "load" else self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        arguments = [bound if bound is not None else nodes.Const(None, lineno=node.lineno) for bound in bounds]
        return _call("cut", [node.node, *arguments], node.lineno)


def _call(name: str, arguments: list[Any], line: int) -> nodes.Call:
    call = nodes.Call(nodes.EnvironmentAttribute(name), arguments, [], None, None)
    call.set_lineno(line)
    return call


def _payment(statement: Any) -> nodes.Node:
    parts = statement.nodes if isinstance(statement, nodes.Output) else []
    chars = sum(len(part.data) for part in parts if isinstance(part, nodes.TemplateData))
    price = [nodes.Const(1), nodes.Const(chars)]
    return nodes.ExprStmt(_call("spend", price, statement.lineno)).set_lineno(statement.lineno)
