"""Rewrites a parsed template so that it pays for what it does; `template_sandbox` keeps the account."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer


class Generation(Extension):
    """`{% generation %}` marks the assistant's words for training; here it only encloses them."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class Metering(NodeTransformer):
    """Puts a payment in front of every statement, and measured functions in place of what can grow."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise TemplateSyntaxError("other templates cannot be loaded", node.lineno)
        node = super().generic_visit(node, *args, **kwargs)
        for field, value in node.iter_fields(exclude=("elif_",)):
            if isinstance(value, list) and value and isinstance(value[0], nodes.Stmt):
                setattr(node, field, [paid for statement in value for paid in (_payment(statement), statement)])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        return _call("concat_values", self.generic_visit(node).nodes, node.lineno)  # type: ignore[attr-defined]

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return _call("weigh", [self.generic_visit(node)], node.lineno)

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self.visit_List(node) if node.ctx == "load" else self.generic_visit(node)  # type: ignore[arg-type]

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
