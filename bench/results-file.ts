import { err, ok, type Result } from '@landbridge/core/result.ts';

export const BEGIN = '<!-- npm run bench writes from here -->';
export const END = '<!-- to here -->';

/** Puts a text between the markers of a document, whose other parts stay as they are. */
export function replaceSection(document: string, section: string): Result<string> {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin || document.indexOf(BEGIN, begin + 1) >= 0 || document.indexOf(END, end + 1) >= 0) return err(`there must be one line "${BEGIN}" and one "${END}" after it`);
  return ok(`${document.slice(0, begin + BEGIN.length)}\n\n${section.trim()}\n\n${document.slice(end)}`);
}
