// Flattens the declarations that tsc emits for web/ into one file.
//
//     node tools/bundle_types.mjs < generated.d.ts  →  JSON {"modules": text, "globals": [name, …]}
//
// The text on standard input takes precedence: a type in it replaces a JSDoc type of the same name, and an interface
// named like a class replaces the members that both have. Types not reachable from loom.js are left out.

import { readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** @typedef {{text: string, statement: ts.Statement, file: string}} Declaration */

const web = join(dirname(dirname(fileURLToPath(import.meta.url))), "web");
const generated = parse("generated.d.ts", readFileSync(0, "utf8"));
const preferred = new Map(
  generated.statements.map((s) => [nameOf(s), ts.isInterfaceDeclaration(s) ? membersOf(s) : null]),
);
const outputs = emit(["loom.js", "globals.js"]);
/** @type {Map<string, Declaration>} */
const declarations = new Map();
/** Names that a second module uses for another type: file → name → the name used here. @type {Map<string, Map<string, string>>} */
const renames = new Map();
for (const [file, text] of outputs) collect(parse(file, text));
const globals = memberNames(declarations.get("makeGlobals")?.statement);
process.stdout.write(JSON.stringify({ modules: flatten(exportsOf("loom.d.ts")), globals }));

/** Names of the members of the object that a declared function returns. @param {ts.Statement | undefined} statement */
function memberNames(statement) {
  const type = statement && ts.isFunctionDeclaration(statement) ? statement.type : undefined;
  return type && ts.isTypeLiteralNode(type) ? type.members.map((member) => member.name?.getText() ?? "") : [];
}

/** @param {string[]} names of modules in web/ */
function emit(names) {
  const path = join(web, "..", "tsconfig.web.json");
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(path, ts.sys.readFile).config,
    ts.sys,
    dirname(path),
  );
  Object.assign(options, {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    outDir: "/declarations",
    rootDir: web,
  });
  const files = new Map();
  const program = ts.createProgram(
    names.map((name) => join(web, name)),
    options,
  );
  program.emit(undefined, (path, text) => files.set(relative("/declarations", path), text));
  return files;
}

/** @param {ts.SourceFile} source */
function collect(source) {
  for (const statement of source.statements) {
    const name = nameOf(statement);
    const merges = ts.isClassDeclaration(statement) && preferred.get(name);
    if (!name || isSameNameAlias(statement) || (preferred.has(name) && !merges)) continue;
    const text = standalone(statement, source);
    const existing = declarations.get(name);
    const other = existing && existing.text !== text;
    const unique = other
      ? name + moduleOf(source.fileName).replace(/(?:^|_)(\w)/g, (_, letter) => letter.toUpperCase())
      : name;
    if (other) renames.set(source.fileName, (renames.get(source.fileName) ?? new Map()).set(name, unique));
    declarations.set(unique, { text, statement, file: source.fileName });
  }
}

/**
 * A declaration with the names that are unique here.
 * @param {Declaration} declaration
 */
function named({ text, file }) {
  let result = text;
  for (const [name, unique] of renames.get(file) ?? [])
    result = result.replace(new RegExp(`(?<![.\\w])${name}\\b`, "g"), unique);
  return result.replace(
    /import\("(?:(\.[\w./-]+)|pyodide)"\)\.(\w+)/g,
    (_, module, name) => (module && renames.get(declarationsOf(module, file))?.get(name)) ?? name,
  );
}

/**
 * Names that a module exports, re-exports included.
 * @param {string} file
 * @returns {string[]}
 */
function exportsOf(file) {
  return parse(file, outputs.get(file)).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement)) return isExported(statement) ? nameOf(statement) : [];
    const { exportClause, moduleSpecifier } = statement;
    if (exportClause && ts.isNamedExports(exportClause)) return exportClause.elements.map(({ name }) => name.text);
    return moduleSpecifier && ts.isStringLiteral(moduleSpecifier)
      ? exportsOf(declarationsOf(moduleSpecifier.text, file))
      : [];
  });
}

/** @param {ts.Node} node */
function isExported(node) {
  return hasModifier(node, ts.SyntaxKind.ExportKeyword);
}

/** @param {ts.Node} node @param {ts.SyntaxKind} kind */
function hasModifier(node, kind) {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false);
}

/** The declarations of a module that another one imports. @param {string} specifier @param {string} from */
function declarationsOf(specifier, from) {
  return join(dirname(from), specifier).replace(/\.js$/, ".d.ts");
}

/** `api/session.d.ts` → `session`. @param {string} file */
function moduleOf(file) {
  return basename(file, ".d.ts");
}

/** @param {string[]} exported */
function flatten(exported) {
  const used = new Set();
  const visit = (/** @type {string} */ text) => {
    for (const [name] of text.replace(/\/\*[\s\S]*?\*\//g, "").matchAll(/\b[A-Za-z_]\w*\b/g)) {
      if (used.has(name) || !declarations.has(name)) continue;
      used.add(name);
      visit(named(/** @type {Declaration} */ (declarations.get(name))));
    }
  };
  visit(exported.join(" "));
  visit(generated.text);
  const selected = [...declarations]
    .filter(([name]) => used.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1)) // independent of their order in web/
    .map(([name, declaration]) => {
      const { statement } = declaration;
      const type = ts.isTypeAliasDeclaration(statement) || ts.isInterfaceDeclaration(statement);
      const head = type ? "export " : exported.includes(name) ? "export declare " : "declare ";
      return named(declaration).replace(
        /^(\/\*\*[\s\S]*?\*\/\n)?(?:export )?(?:declare )?/,
        (_, doc = "") => doc + head,
      );
    });
  return selected.join("\n\n");
}

/**
 * A declaration on its own: a class without members that are private to the package or that the generated text declares.
 * @param {ts.Statement} statement
 * @param {ts.SourceFile} source
 */
function standalone(statement, source) {
  let text = statement.getText(source);
  if (ts.isClassDeclaration(statement)) {
    const members = statement.members.flatMap((member) => {
      const name = member.name?.getText(source) ?? "";
      const hidden = name === "#private" || hasModifier(member, ts.SyntaxKind.ProtectedKeyword);
      if (hidden || preferred.get(nameOf(statement))?.has(name)) return [];
      const body = member.getText(source);
      if (ts.isConstructorDeclaration(member) && body.includes("EngineLike")) {
        return "    /** Made by a session, never by `new`. */\n    protected constructor();";
      }
      return `${comment(member, source, "    ")}    ${body}`;
    });
    const open = source.text.indexOf("{", (statement.heritageClauses?.at(-1) ?? statement.name ?? statement).end) + 1;
    text = `${source.text.slice(statement.getStart(source), open)}${members.length ? `\n${members.join("\n")}\n` : ""}}`;
  }
  return tidy(comment(statement, source, "") + text);
}

/**
 * The comment right before a node, unless it only defines a type.
 * @param {ts.Node} node
 * @param {ts.SourceFile} source
 * @param {string} indent
 */
function comment(node, source, indent) {
  const range = (ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? []).at(-1);
  const text = range ? source.text.slice(range.pos, range.end) : "";
  return text.startsWith("/**") && !/@typedef/.test(text) ? `${indent}${text}\n` : "";
}

/**
 * Types in comments repeat the declaration.
 * @param {string} text
 */
function tidy(text) {
  return text
    .replace(/[ \t]*\/\*\*[\s\S]*?\*\/\n?/g, (comment) => {
      const lines = withoutTypes(comment)
        .split("\n")
        .filter(
          (line) =>
            !/^\s*\*\s*@(?:param \S+|returns|override|template .*)\s*$|^\s*\/\*\*\s*@param \S+\s*\*\/\s*$/.test(line),
        );
      const plain = lines.join("\n").replace(/\s*@(?:returns|override)\s*\*\//, " */");
      return /[A-Za-z]/.test(plain) ? plain : "";
    })
    .replace(/, \}(?=\??:)/g, " }") // of a pattern that was broken into lines
    .replace(/^(?: {4})+/gm, (indent) => indent.slice(indent.length / 2));
}

/** @param {string} comment a JSDoc comment */
function withoutTypes(comment) {
  let plain = comment;
  for (let at = plain.search(/@\w+\s*\{/); at >= 0; at = plain.search(/@\w+\s*\{/)) {
    const open = plain.indexOf("{", at);
    let end = open;
    let depth = 0;
    do depth += plain[end] === "{" ? 1 : plain[end] === "}" ? -1 : 0;
    while (depth > 0 && ++end < plain.length);
    plain = plain.slice(0, open).trimEnd() + plain.slice(end + 1);
  }
  return plain.replace(/@param \[(\w+)[^\]]*\]/g, "@param $1");
}

/** @param {string} name @param {string} text */
function parse(name, text) {
  return ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
}

/** @param {any} statement @returns {string} */
function nameOf(statement) {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations[0]?.name.getText() ?? "";
  return statement.name?.text ?? "";
}

/** @param {any} statement @returns {Set<string>} */
function membersOf(statement) {
  return new Set((statement.members ?? []).map((/** @type {any} */ member) => member.name?.getText() ?? ""));
}

/** `export type X = import("./other.js").X` says nothing in one file. @param {any} statement */
function isSameNameAlias(statement) {
  return (
    ts.isTypeAliasDeclaration(statement) &&
    ts.isImportTypeNode(statement.type) &&
    statement.type.qualifier?.getText() === nameOf(statement)
  );
}
