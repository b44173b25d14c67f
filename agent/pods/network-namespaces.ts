import { readFileSync } from 'node:fs';
import { namespaceInode } from '@landbridge/native/network-namespace.ts';
import { processIds } from '@landbridge/native/process-ids.ts';

/**
 * Finds the network namespaces of pods by the cgroups of their processes: works with every container runtime and
 * needs no socket of it. Returns paths by pod UID; pods without a process yet are not in it.
 */
export function findPodNamespaces(uids: ReadonlySet<string>): ReadonlyMap<string, string> {
  const own = namespaceInode('/proc/self/ns/net');
  const found = new Map<string, string>();
  for (const pid of processIds()) {
    const uid = podOfProcess(`/proc/${pid}/cgroup`);
    if (uid === undefined || !uids.has(uid) || found.has(uid)) continue;
    const path = `/proc/${pid}/ns/net`;
    try {
      // A runtime's helper may sit in the pod's cgroup before it enters the pod's namespace.
      if (namespaceInode(path) !== own) found.set(uid, path);
    } catch {
      // The process ended meanwhile; another one of the pod will do.
    }
  }
  return found;
}

/**
 * The pod's UID in a text of /proc/PID/cgroup, of the cgroupfs driver (`/pod<uid>/`) or systemd's (`-pod<uid with _>.slice`).
 * Of pods that the kubelet has from files of its own it is an MD5 sum (pkg/kubelet/config/common.go, applyDefaults).
 */
export function parsePodUid(cgroup: string): string | undefined {
  const match = /[/-]pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?:\/|$)/m.exec(cgroup);
  return match?.[1]?.replaceAll('_', '-');
}

function podOfProcess(file: string): string | undefined {
  try {
    return parsePodUid(readFileSync(file, 'utf8'));
  } catch {
    // The process ended meanwhile.
    return undefined;
  }
}
