import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import { findKubelet, type Kubelet, kubeletOfGroup, kubeletOfProcess, type NodeView } from './kubelet-process.ts';
import type { KubeletProbes } from './kubelet-probes.ts';

/** How often a kubelet that is known is looked at: one that starts again has another control group, and takes seconds until it probes. */
const LOOK_MS = 2000;
/** How often all processes are looked at while none is known. */
const SEARCH_MS = 5000;

export interface KubeletWatchOptions extends NodeView {
  /** Its control group, where an operator tells it; empty: it is found. */
  readonly group: string;
  /** Defaults: 2 s, 5 s. */
  readonly lookMs?: number;
  readonly searchMs?: number;
}

/** Keeps the kernel told who the kubelet is, until the signal aborts. While it is not known, probes are judged by policies. @throws SystemCallError */
export async function watchKubelet({ group, lookMs = LOOK_MS, searchMs = SEARCH_MS, ...view }: KubeletWatchOptions, probes: Pick<KubeletProbes, 'setKubelet'>, log: Logger, signal: AbortSignal): Promise<void> {
  const look = (known: Kubelet | undefined): Kubelet | undefined => {
    if (group !== '') return kubeletOfGroup(view.cgroupRoot, group);
    return (known?.pid === undefined ? undefined : kubeletOfProcess(known.pid, view)) ?? findKubelet(view);
  };
  let told: Kubelet | undefined;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const found = look(told);
    if (isFirst || found?.groupId !== told?.groupId) {
      probes.setKubelet(found?.groupId);
      metrics.kubeletFound.set(found === undefined ? 0 : 1);
      if (found === undefined) log.warn({ ...(group === '' ? {} : { cgroup: group }) }, 'the kubelet is not found: policies hold for its probes');
      else log.info({ cgroup: found.group, pid: found.pid }, 'the kubelet is found: its probes go to applications');
    }
    told = found;
    await waitFor(found === undefined ? searchMs : lookMs, signal);
  }
}
