import { writeFileSync } from 'node:fs';

/**
 * The file of a setting in net/, as `ipv4/tcp_fwmark_accept`. It shows the network namespace of the thread that opens
 * it. `sysctls`: /proc/sys, or another mount of it.
 */
export const settingFile = (sysctls: string, name: string): string => `${sysctls}/net/${name}`;

/** @throws Error of node:fs */
export function switchOn(sysctls: string, name: string): void {
  writeFileSync(settingFile(sysctls, name), '1');
}
