import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { DialTally } from '../discovery/dial-tally.ts';
import type { ConnectionLog } from './connection-log.ts';
import type { DataPlane } from './data-plane.ts';
import type { TrafficMetrics } from './traffic-metrics.ts';

/** Between two reports: how old metrics and access log may be. */
const INTERVAL_MS = 500;
const TIMEOUT_MS = 5000;

/** Asks the data threads again and again what they carried, and counts and logs it. Runs until the signal aborts, and then once more. */
export async function reportTraffic(plane: DataPlane, metrics: TrafficMetrics, log: ConnectionLog, dials: Pick<DialTally, 'add'>, signal: AbortSignal): Promise<void> {
  for (;;) {
    const isLast = signal.aborted;
    for (const { thread, report } of await plane.reports(TIMEOUT_MS)) {
      const nowMs = performance.now();
      metrics.apply(thread, report, nowMs);
      dials.add(report.dials);
      log.write(report.ends, report.endsDropped, (series) => metrics.labelsOf(thread, series), nowMs);
    }
    if (isLast) return log.flush();
    await waitFor(INTERVAL_MS, signal);
  }
}
