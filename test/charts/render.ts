import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { toolPath } from '@landbridge/lab/tools.ts';

export const CHARTS = path.resolve(import.meta.dirname, '../../charts');

export type ChartName = 'federation' | 'agent' | 'gateway';

/** A Kubernetes object as the tests look at it. */
// biome-ignore lint/suspicious/noExplicitAny: assertions reach deep into foreign objects, and a wrong path fails them
export type Manifest = any;

/** Renders a chart with the helm that the lab pins, for the cluster of a kubeconfig or for one that has nothing. Rejects with what helm wrote. */
export async function render(chart: ChartName, values: Readonly<Record<string, unknown>>, { kubeconfig }: { readonly kubeconfig?: string } = {}): Promise<readonly Manifest[]> {
  const helm = process.env['LANDBRIDGE_HELM'] || toolPath('helm');
  if (!existsSync(helm)) throw new Error(`there is no helm at ${helm}: run the tests with npm test, which builds it`);
  const sets = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
  const argv = ['template', `landbridge-${chart}`, path.join(CHARTS, chart), '--namespace', 'landbridge-system', ...(kubeconfig === undefined ? [] : ['--dry-run=server', '--kubeconfig', kubeconfig]), ...sets];
  const { stdout } = await promisify(execFile)(helm, argv, { maxBuffer: 1 << 24 });
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest).filter((manifest) => manifest !== null);
}

/** The one object of a kind. */
export function only(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`);
  return found[0];
}
