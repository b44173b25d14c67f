import type { Logger } from 'pino';
import type { CniInstallation } from './cni-installation.ts';
import { CniServer, type CniServerOptions } from './cni-server.ts';

export interface CniGateOptions {
  readonly installation: CniInstallation;
  readonly server: CniServerOptions;
  /** Asked when the agent ends: whether what is on the node is to go with it. */
  readonly isUninstalled: () => Promise<boolean>;
  readonly log: Logger;
}

/**
 * Has the node's container runtime ask the agent before each pod starts, until the signal aborts. Without an agent no
 * pod starts: so it stays on the node unless the agent is uninstalled. Calls back when it is in force for the first time.
 */
export async function runCniGate({ installation, server, isUninstalled, log }: CniGateOptions, signal: AbortSignal, onInForce: () => void): Promise<void> {
  {
    // Before anybody is sent to it, and not after the signal: what it is asked then, the next agent answers.
    await using opened = await CniServer.open(server);
    await installation.run(signal, { onInForce, isInCharge: () => opened.isCurrent });
  }
  if (!(await isUninstalled())) return;
  installation.remove();
  log.info('the gate is removed: pods of this node start without Landbridge');
}
