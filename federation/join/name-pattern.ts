/** For which clusters a token is: one name, or all that begin with something. */
import { isDnsLabel, parseClusterName } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type from 'typebox';

/** An RFC 1123 label, or the beginning of one with `*` in the place of the rest. */
export const NamePatternSchema = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$|^[a-z0-9][-a-z0-9]{0,61}\\*$' });

/** A name, or a beginning of at least one character and `*`, such as `west-*`. */
export function parseNamePattern(text: string): Result<string> {
  if (!text.endsWith('*')) return parseClusterName(text);
  const beginning = text.slice(0, -1);
  return beginning !== '' && isDnsLabel(`${beginning}0`) ? ok(text) : err(`pattern ${JSON.stringify(text.slice(0, 80))} is not the beginning of an RFC 1123 label (a-z, 0-9, '-', at most 62) and a '*'`);
}

export const isPattern = (pattern: string): boolean => pattern.endsWith('*');

/** Whether the token's cluster may have this name, which is a valid one. */
export function isNameFor(pattern: string, cluster: string): boolean {
  return isPattern(pattern) ? cluster.startsWith(pattern.slice(0, -1)) : cluster === pattern;
}
