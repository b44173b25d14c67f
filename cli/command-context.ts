/** What a command has of the world around it; tests give their own. */
import { type Command, Option } from 'commander';
import type { KernelReport } from '@landbridge/core/kernel-report.ts';
import type { AdminClient } from './admin-client.ts';
import type { Facts } from './checks.ts';

export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace: string;
}

export type OutputFormat = 'table' | 'json';

export interface OutputOptions {
  readonly output: OutputFormat;
}

export interface CommandContext {
  /** Results only: what a script reads. */
  stdout(text: string): void;
  /** Everything that is said to a person. */
  stderr(text: string): void;
  readStdin(limitBytes: number): Promise<string>;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly version: string;
  admin(options: ClusterOptions): Promise<AdminClient>;
  observe(options: ClusterOptions): Promise<Facts>;
  /** @throws LandbridgeError `kernel-unfit`, `agent-not-ready` */
  kernelOf(node: string, options: ClusterOptions): Promise<KernelReport>;
  /** What the process ends with when nothing was thrown. */
  setExitCode(code: number): void;
}

export const DEFAULT_NAMESPACE = 'landbridge-system';

export function addClusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'kubeconfig file (default: $KUBECONFIG or ~/.kube/config)')
    .option('--context <name>', 'context of the kubeconfig (default: its current one)')
    .option('-n, --namespace <name>', 'namespace of Landbridge', DEFAULT_NAMESPACE);
}

export function addOutputOption(command: Command): Command {
  return command.addOption(new Option('-o, --output <format>', 'how to print the result').choices(['table', 'json']).default('table'));
}

export function asJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
