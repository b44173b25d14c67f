import { isDnsLabel } from './names.ts';

/** RFC 1035, section 2.3.4, without the dot of the root. */
const MAX_HOSTNAME_LENGTH = 253;
/** What resolvers take for an address, whatever stands before it (inet_aton(3)): `127.1`, `0177.0.0.1`, `0x7f000001`. */
const NUMBER = /^([0-9]+|0x[0-9a-f]*)$/;

/** A name in lower case that a resolver can be asked for, and can not take for an address. */
export function isHostname(text: string): boolean {
  if (text.length > MAX_HOSTNAME_LENGTH) return false;
  const labels = text.split('.');
  return labels.every(isDnsLabel) && !NUMBER.test(labels.at(-1) ?? '');
}
