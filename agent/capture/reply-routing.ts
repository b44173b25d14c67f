import { readFileSync } from 'node:fs';
import { addLocalRoute, addMarkRule, deleteLocalRoute, deleteMarkRule, type Family } from '@landbridge/native/netlink.ts';
import { LOOPBACK_INDEX } from '@landbridge/native/network-interfaces.ts';
import { inNetworkNamespace } from '@landbridge/native/network-namespace.ts';
import { REPLY_BIT } from './marks.ts';
import { settingFile, switchOn } from './pod-settings.ts';

/** As ztunnel has them (wire reference 1.3). */
const TABLE = 100;
const PREFERENCE = 32764;

/** An accepted connection takes the mark of its SYN, unless its listener has one. For both families. */
const ACCEPT_MARK = 'ipv4/tcp_fwmark_accept';
/** What no socket sends takes the mark of what it answers: the RST of a closed port, which would be waited for otherwise. */
const REFLECT_MARK: Readonly<Record<Family, string>> = { IPv4: 'ipv4/fwmark_reflect', IPv6: 'ipv6/fwmark_reflect' };

/**
 * An application that is dialled with the client's address answers to that address. Marked as the dial was, its packets
 * are looked up in a table of a pod where every address is the pod's own, and so come back to the agent's socket.
 * `sysctls`: /proc/sys, or another mount of it.
 * @throws SystemCallError, Error of node:fs
 */
export function installReplyRouting(namespace: number, sysctls: string): void {
  inNetworkNamespace(namespace, () => {
    switchOn(sysctls, ACCEPT_MARK);
    for (const family of families(sysctls)) {
      switchOn(sysctls, REFLECT_MARK[family]);
      addLocalRoute({ family, device: LOOPBACK_INDEX, table: TABLE });
      addMarkRule(rule(family));
    }
  });
}

/** The settings stay: without marked packets they change nothing, and the pod may have had them before. @throws SystemCallError */
export function removeReplyRouting(namespace: number, sysctls: string): void {
  inNetworkNamespace(namespace, () => {
    for (const family of families(sysctls)) {
      deleteMarkRule(rule(family));
      deleteLocalRoute({ family, device: LOOPBACK_INDEX, table: TABLE });
    }
  });
}

const rule = (family: Family) => ({ family, mark: REPLY_BIT, mask: REPLY_BIT, table: TABLE, preference: PREFERENCE });

/** IPv6 only where it is on: without it there is no route to lo. */
function families(sysctls: string): readonly Family[] {
  try {
    return readFileSync(settingFile(sysctls, 'ipv6/conf/lo/disable_ipv6'), 'utf8').trim() === '0' ? ['IPv4', 'IPv6'] : ['IPv4'];
  } catch (thrown) {
    // A kernel without IPv6.
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return ['IPv4'];
    throw thrown;
  }
}
