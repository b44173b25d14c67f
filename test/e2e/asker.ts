import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { clusterEnvironment, kubectlCommand } from '@landbridge/lab/kubectl.ts';
import { type Outcome, outcomeOf } from '@landbridge/lab/run.ts';

const never = new AbortController().signal;
/** Of the machine: programs are its own. */
const FOLDERS = ['usr', 'lib', 'lib64'];

export interface Asker {
  readonly namespace: string;
  readonly pod: string;
}

/** A pod to ask and to call from, which has the machine's programs, and further folders of it by the names that they have there. */
export function askerPod({ namespace, pod }: Asker, { folders = {}, labels = {} }: { readonly folders?: Readonly<Record<string, string>>; readonly labels?: Readonly<Record<string, string>> } = {}): object {
  const all = { ...Object.fromEntries(FOLDERS.map((folder) => [folder, `/${folder}`])), ...folders };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod, namespace, labels },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'asker', image: DEMO_IMAGE, args: ['idle'], volumeMounts: Object.keys(all).map((name) => ({ name, mountPath: `/${name}`, readOnly: true })) }],
      volumes: Object.entries(all).map(([name, path]) => ({ name, hostPath: { path } })),
    },
  };
}

export async function inAsker(cluster: string, { namespace, pod }: Asker, ...argv: readonly string[]): Promise<Outcome> {
  return await outcomeOf(kubectlCommand(['-n', namespace, 'exec', pod, '--', ...argv]), { signal: never, env: clusterEnvironment(cluster) });
}
