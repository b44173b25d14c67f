import { readFileSync } from 'node:fs';
import koffi from 'koffi';

const nameToIndex = koffi.load(null).func('uint32_t if_nametoindex(const char *name)');

/** LOOPBACK_IFINDEX of the kernel: the first interface of every namespace. */
export const LOOPBACK_INDEX = 1;

export interface NetworkInterface {
  readonly name: string;
  readonly index: number;
}

/** Interfaces of the namespace that this thread is in (proc_pid_net(5)): to be called within it. */
export function networkInterfacesHere(): readonly NetworkInterface[] {
  return interfaceNames(readFileSync('/proc/thread-self/net/dev', 'utf8')).flatMap((name) => {
    const index = nameToIndex(name) as number;
    // 0: it went meanwhile.
    return index === 0 ? [] : [{ name, index }];
  });
}

/** Of the text of /proc/net/dev: two lines of headings, then one for each, its name before the first colon that a space follows or a number. */
export function interfaceNames(text: string): readonly string[] {
  return text.split('\n').slice(2).flatMap((line) => {
    const name = /^\s*(\S+):(?=\s*\d)/.exec(line)?.[1];
    return name === undefined ? [] : [name];
  });
}
