import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type Command, USAGE } from './command-line.ts';
import { call } from './demo.ts';
import { removeLab } from './down.ts';
import { hubProcesses } from './hub.ts';
import { clusterEnvironment, kubectlCommand } from './kubectl.ts';
import { takeLock } from './lock.ts';
import { showLog } from './logs.ts';
import { inNode } from './node.ts';
import { type ClusterPlan, findCluster, findNode } from './plan.ts';
import { landbridgeCommand } from './product.ts';
import { print, say } from './progress.ts';
import { outcomeOf, runInForeground } from './run.ts';
import { runningLab } from './state.ts';
import { up } from './up.ts';

/** Does what a command says; returns the exit status. */
export async function perform(command: Command): Promise<number> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'up':
      return await changing('up', async (signal) => await up(command.shape, signal));
    case 'down':
      return await changing('down', async (signal) => {
        await removeLab(signal);
        say('the lab is gone: no process, namespace, mount, cgroup, pin or route is left');
      });
    case 'status':
      return await status();
    case 'kubectl':
      return await runInForeground(kubectlCommand(command.args), clusterEnvironment(clusterNamed(command.cluster).name));
    case 'landbridge':
      return await runInForeground(landbridgeCommand(command.args), clusterEnvironment(clusterNamed(command.cluster).name));
    case 'logs':
      return await showLog(clusterNamed(command.cluster), command.part, command.args);
    case 'node': {
      const cluster = clusterNamed(command.cluster);
      const node = findNode(cluster, command.node);
      if (node === undefined) throw new LandbridgeError('usage', `${cluster.name} has no node ${command.node}`, { hint: `Its nodes are: ${cluster.nodes.map(({ name }) => name).join(', ')}` });
      return await runInForeground(await inNode(node, command.argv));
    }
    default:
      return command satisfies never;
  }
}

/** Runs what changes the lab: one at a time, and interrupted by the first SIGINT or SIGTERM. */
async function changing(what: string, work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  using _lock = takeLock(what);
  const stop = new AbortController();
  const interrupt = (name: NodeJS.Signals): void => stop.abort(new LandbridgeError('interrupted', `interrupted by ${name}`));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt);
  await work(stop.signal);
  return 0;
}

function clusterNamed(name: string): ClusterPlan {
  const { plan } = runningLab();
  const cluster = findCluster(plan, name);
  if (cluster === undefined) throw new LandbridgeError('usage', `the lab has no cluster ${JSON.stringify(name)}`, { hint: `Its clusters are: ${plan.clusters.map((each) => each.name).join(', ')}` });
  return cluster;
}

async function status(): Promise<number> {
  const { state, plan } = runningLab();
  const { signal } = new AbortController();
  const { bare } = plan.shape;
  print(`${bare ? 'bare ' : ''}lab of ${plan.clusters.length} clusters, ${state.phase}; the hub ${hubProcesses().length > 0 ? 'runs' : 'does not run'}`);
  let healthy = state.phase === 'up';
  for (const { name } of plan.clusters) {
    for (const argv of [kubectlCommand(['get', 'pods', '-A', '-o', 'wide']), ...(bare ? [] : [landbridgeCommand(['status'])])]) {
      const outcome = await outcomeOf(argv, { signal, env: clusterEnvironment(name) });
      print(`\n${name}\n${(outcome.stdout || outcome.stderr).trim()}`);
      healthy &&= outcome.status === 0;
    }
  }
  if (bare) return healthy ? 0 : 1;
  const caller = (plan.shape.joined > 1 ? plan.clusters[1] : undefined) ?? plan.clusters[0];
  const answer = await call(caller.name, [], signal);
  print(`\na call from ${caller.name}: ${answer.text}`);
  return healthy && answer.ok ? 0 : 1;
}
