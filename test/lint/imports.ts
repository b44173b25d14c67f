export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** `import … from '…'` and `export … from '…'` at the beginning of a line, over several lines too; `import '…'`. */
const STATIC = /^(?:import|export)\b(?:[^'"`;]*?\bfrom)?\s*['"]([^'"\n]+)['"]/gm;
/** `import('…')` and `import.meta.resolve('…')`, with the type of an import among them. */
const DYNAMIC = /\bimport(?:\.meta\.resolve)?\(\s*['"]([^'"\n]+)['"]/g;

/** What a module imports, in the order of its lines. Comments are left out; a template that holds code is not told from code. */
export function readImports(text: string): readonly Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*/gm, (comment) => comment.replace(/[^\n]/g, ' '));
  return [...code.matchAll(STATIC), ...code.matchAll(DYNAMIC)]
    .sort((a, b) => a.index - b.index)
    .map((match) => ({ specifier: match[1] ?? '', line: lineOf(code, match.index + match[0].length) }));
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
