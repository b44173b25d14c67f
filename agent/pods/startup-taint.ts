import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import type { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';

/** With which nodes register themselves, so that no pod comes before the gate. */
export const STARTUP_TAINT = 'landbridge.dev/agent-not-ready';

const RETRY = { firstMs: 1000, mostMs: 20_000 };

/** Removes the taint of a node, and nothing else of it; resolves once there is none. Other writers are not in its way. */
export async function liftStartupTaint(client: Pick<ApiServerClient, 'get' | 'mergePatch'>, node: string, log: Logger, signal: AbortSignal): Promise<void> {
  const path = `/api/v1/nodes/${encodeURIComponent(node)}`;
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const { version, taints } = taintsOf(await client.get(path, signal));
      const others = taints.filter(({ key }) => key !== STARTUP_TAINT);
      if (others.length === taints.length) return;
      // A patch replaces the whole list: the version keeps it from undoing what somebody else changes meanwhile.
      await client.mergePatch(path, { metadata: { resourceVersion: version }, spec: { taints: others } }, signal);
      return log.info({ taint: STARTUP_TAINT }, 'the node takes pods');
    } catch (thrown) {
      if (signal.aborted) return;
      log.warn({ taint: STARTUP_TAINT, error: LandbridgeError.from(thrown).message }, 'a taint could not be removed');
      await waitFor(retryDelay(failures, RETRY), signal);
    }
  }
}

interface Taint {
  readonly key: string;
}

function taintsOf(node: unknown): { readonly version: string; readonly taints: readonly Taint[] } {
  const { metadata, spec } = node as { readonly metadata?: { readonly resourceVersion?: string }; readonly spec?: { readonly taints?: readonly Taint[] } };
  return { version: metadata?.resourceVersion ?? '', taints: spec?.taints ?? [] };
}
