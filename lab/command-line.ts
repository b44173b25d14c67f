import { parseArgs } from 'node:util';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type LabShape, parseShape } from './plan.ts';

export type Command =
  | { readonly kind: 'up'; readonly shape: LabShape }
  | { readonly kind: 'status' }
  | { readonly kind: 'down' }
  | { readonly kind: 'help' }
  | { readonly kind: 'kubectl' | 'landbridge'; readonly cluster: string; readonly args: readonly string[] }
  | { readonly kind: 'logs'; readonly cluster: string; readonly part: string; readonly args: readonly string[] }
  | { readonly kind: 'node'; readonly cluster: string; readonly node: string; readonly argv: readonly string[] };

export const USAGE = `usage: npm run lab -- [COMMAND]

  up [--clusters N] [--workers N] [--networks N] [--leaf] [--joined N | --bare]
                              start the lab, or bring the one that runs up to date (the default);
                              --networks: pods of different ones reach each other through gateways only;
                              --leaf: each cluster has a copy of what the hub has, for when that is away;
                              --bare: clusters that have the images, and nothing of the product in them
  status                      show what runs where
  down                        end everything and remove it
  kubectl CLUSTER ARGS…       run kubectl as administrator of a cluster
  landbridge CLUSTER ARGS…    run the command of the product against a cluster
  logs CLUSTER PART [ARGS…]   show a log: agent, federation, coredns, hub, or a server
                              (apiserver, etcd, kubelet, containerd, kube-proxy, …)
  node CLUSTER NODE CMD…      run a command inside a node, as in: node west worker ip addr
`;

const DEFAULT_CLUSTERS = 2;

/** Parses what follows `npm run lab --`. An error is one sentence for people. */
export function parseCommand(argv: readonly string[]): Result<Command> {
  const [name = 'up', ...rest] = argv[0]?.startsWith('-') === true && argv[0] !== '--help' ? ['up', ...argv] : argv;
  switch (name) {
    case 'up':
      return parseUp(rest);
    case 'status':
    case 'down':
      return rest.length === 0 ? ok({ kind: name }) : err(`${name} takes no arguments`);
    case 'help':
    case '--help':
      return ok({ kind: 'help' });
    case 'kubectl':
    case 'landbridge': {
      const [cluster, ...args] = rest;
      return cluster === undefined ? err(`${name} needs a cluster, for example: ${name} east`) : ok({ kind: name, cluster, args });
    }
    case 'logs': {
      const [cluster, part, ...args] = rest;
      return cluster === undefined || part === undefined ? err('logs needs a cluster and a part, for example: logs west agent') : ok({ kind: 'logs', cluster, part, args });
    }
    case 'node': {
      const [cluster, node, ...command] = rest;
      return cluster === undefined || node === undefined || command.length === 0 ? err('node needs a cluster, a node and a command, for example: node west worker ip addr') : ok({ kind: 'node', cluster, node, argv: command });
    }
    default:
      return err(`there is no command ${JSON.stringify(name)}`);
  }
}

function parseUp(argv: readonly string[]): Result<Command> {
  try {
    const { values } = parseArgs({ args: [...argv], options: { clusters: { type: 'string' }, workers: { type: 'string' }, networks: { type: 'string' }, joined: { type: 'string' }, bare: { type: 'boolean' }, leaf: { type: 'boolean' } } });
    const clusters = values.clusters === undefined ? DEFAULT_CLUSTERS : Number(values.clusters);
    const bare = values.bare ?? false;
    const shape = parseShape({
      clusters,
      workers: values.workers === undefined ? 1 : Number(values.workers),
      networks: values.networks === undefined ? 1 : Number(values.networks),
      bare,
      joined: values.joined === undefined ? (bare ? 1 : clusters) : Number(values.joined),
      ...(values.leaf === true ? { leaf: true } : {}),
    });
    return shape.ok ? ok({ kind: 'up', shape: shape.value }) : shape;
  } catch (thrown) {
    return err((thrown as Error).message.split('. ')[0] ?? 'options can not be read');
  }
}
