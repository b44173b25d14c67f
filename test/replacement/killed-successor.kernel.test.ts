import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { AgentNodes } from './agent-nodes.ts';
import { Flows } from './flows.ts';
import { KILL_VALUES, killSuccessor } from './killed-successors.ts';

/** `npm run -s test:upgrade -- --kills 100` has more. */
const KILLS = 2;

test.serial('a successor that is killed at any moment takes those with it that it had taken, and no others', async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['client', 'server'], east: ['peer'] });
  const flows = await Flows.open(nodes);
  await nodes.startReady('east');
  let agent = await nodes.startReady('west', KILL_VALUES);
  await nodes.untilTunnelled('west', nodes.mesh.pod('client'), 'peer');
  await nodes.untilTunnelled('east', nodes.mesh.pod('peer'), 'server');
  for (let i = 0; i < KILLS; i++) {
    const { agent: next, killed } = await killSuccessor(nodes, flows, agent, Math.random);
    agent = next;
    t.log(JSON.stringify(killed));
    t.is(killed.broken, killed.taken);
    t.deepEqual(killed.wrong, []);
  }
});
