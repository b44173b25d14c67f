import { randomBytes } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { startCluster, waitForNodes } from './cluster.ts';
import { corednsManifests } from './coredns.ts';
import { call, deployClient, deployEcho, ECHO_URL, waitForDemo } from './demo.ts';
import { removeLab } from './down.ts';
import { authoritySecretFile, HUB_URL, startHub } from './hub.ts';
import type { Image } from './image-archive.ts';
import { type ImageStore, makeImageStore } from './image-store.ts';
import { labImages, productBase, productImage } from './images.ts';
import { apply, kubectl } from './kubectl.ts';
import { removeUnusedLayers } from './layers.ts';
import { findLeftovers, isClean } from './leftovers.ts';
import { prepareMachine } from './machine.ts';
import { makeNetwork } from './network.ts';
import { type ClusterPlan, type LabPlan, type LabShape, planLab } from './plan.ts';
import { distributeImage, gatewayValues, installChart, joinCluster, leafValues, NAMESPACE, waitForAgents, waitForFederation, waitForGateways, waitForLeaf } from './product.ts';
import { elapsedSeconds, print, say } from './progress.ts';
import { readState, writeState } from './state.ts';
import { buildTools, toolsAreBuilt } from './tools.ts';
import { waitFor } from './wait.ts';

const CALL_TIMEOUT_MS = 60_000;

/** Brings the lab up, or what runs up to date with the sources; what fails half-way is removed again. */
export async function up(shape: LabShape, signal: AbortSignal): Promise<void> {
  const state = readState();
  if (state?.phase === 'up') {
    if (JSON.stringify(state.shape) !== JSON.stringify(shape)) {
      throw new LandbridgeError('other-shape', `a ${state.shape.bare ? 'bare ' : ''}lab of ${state.shape.clusters} clusters with ${state.shape.workers} workers each is running`, { hint: 'End it first: npm run lab -- down' });
    }
    say('the lab is running: bringing the product up to date');
    await prepare(shape, signal);
    if (shape.bare) return print('The lab is bare: there is nothing of the product to bring up to date.');
    await update(planLab(shape), state.image, signal);
    return;
  }
  if (!isClean(findLeftovers())) {
    say('removing what an interrupted run left');
    await removeLab(signal);
  }
  await prepare(shape, signal);
  try {
    writeState({ shape, phase: 'starting' });
    await create(planLab(shape), signal);
  } catch (thrown) {
    if (process.env['LANDBRIDGE_LAB_KEEP'] === undefined) {
      say('failed: removing everything again (LANDBRIDGE_LAB_KEEP=1 would keep it)');
      await removeLab(AbortSignal.timeout(120_000));
    }
    throw thrown;
  }
}

async function prepare(shape: LabShape, signal: AbortSignal): Promise<void> {
  await prepareMachine({ nodes: shape.clusters * (shape.workers + 1), toolsAreBuilt: toolsAreBuilt() }, signal);
  await buildTools(signal);
}

async function create(plan: LabPlan, signal: AbortSignal): Promise<void> {
  say(`starting ${plan.clusters.length} clusters of ${plan.shape.workers + 1} nodes each`);
  await makeNetwork(plan, signal);
  const base = productBase(signal);
  const store = (async () => await makeImageStore([...(await labImages(signal)), await base], signal))();
  const hub = plan.shape.bare ? Promise.resolve() : startHub(plan.shape, signal);
  const clusters = Promise.all(plan.clusters.map(async (cluster) => {
    await startCluster(cluster, store, signal);
    await waitForNodes(cluster, signal);
  }));
  const image = await settled([store, hub, clusters, base], async () => {
    const built = await productImage(await base, signal);
    await Promise.all([hub, clusters]);
    await distributeImage(built, await store, plan.clusters, signal);
    return built;
  });
  say(`the image ${image.name} is on all nodes`);
  if (plan.shape.bare) return await finishBare(plan, image.name, signal);
  const [founder] = plan.clusters;
  await apply(founder.name, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }], signal);
  await kubectl(founder.name, ['apply', '--server-side', '-f', authoritySecretFile], { signal });
  await install(plan, image.name, signal);
  await finish(plan, image.name, signal);
}

/** Waits for the work, or for the first of the others to fail; none of them goes on unobserved. */
async function settled<T>(others: readonly Promise<unknown>[], work: () => Promise<T>): Promise<T> {
  const failed = Promise.all(others).then(() => new Promise<never>(() => {}));
  return await Promise.race([work(), failed]);
}

async function update(plan: LabPlan, runningImage: string | undefined, signal: AbortSignal): Promise<void> {
  const base = await productBase(signal);
  const image: Image = await productImage(base, signal);
  if (image.name !== runningImage) {
    const store: ImageStore = await makeImageStore([...(await labImages(signal)), base], signal);
    // Nodes may have begun with another base: the whole image is sent.
    await distributeImage(image, { ...store, layers: new Set() }, plan.clusters, signal);
    say(`the image ${image.name} is on all nodes`);
  }
  await install(plan, image.name, signal);
  await finish(plan, image.name, signal);
}

async function install(plan: LabPlan, image: string, signal: AbortSignal): Promise<void> {
  await Promise.all(plan.clusters.map(async (cluster) => {
    await installChart(cluster, 'federation', image, signal, leafValues(plan.shape));
    await apply(cluster.name, corednsManifests(cluster, true), signal);
    await deployClient(cluster, signal);
    await waitForFederation(cluster, signal);
    // After the federation service: it makes the ConfigMap with the root that agents mount.
    await installChart(cluster, 'agent', image, signal);
    if (cluster.network !== '') await installChart(cluster, 'gateway', image, signal, gatewayValues(cluster));
  }));
  const [founder, ...others] = plan.clusters;
  await deployEcho(founder, signal);
  await Promise.all(others.slice(0, plan.shape.joined - 1).map(async (cluster) => await joinCluster(founder, cluster, signal)));
  await Promise.all(plan.clusters.map(async (cluster) => {
    await waitForAgents(cluster, signal);
    if (cluster.network !== '') await waitForGateways(cluster, signal);
    // A cluster that stays alone has no hub to mirror.
    if (plan.shape.leaf === true && cluster.index <= plan.shape.joined) await waitForLeaf(cluster, signal);
    await kubectl(cluster.name, ['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=120s'], { signal });
    await waitForDemo(cluster, 'client', signal);
  }));
  await waitForDemo(founder, 'echo', signal);
}

async function finishBare(plan: LabPlan, image: string, signal: AbortSignal): Promise<void> {
  await Promise.all(plan.clusters.map(async (cluster) => {
    await apply(cluster.name, corednsManifests(cluster, false), signal);
    await kubectl(cluster.name, ['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=120s'], { signal });
  }));
  writeState({ shape: plan.shape, phase: 'up', image });
  print(`\n${plan.clusters.length} clusters are up with nothing in them but CoreDNS. The product's image on all nodes is ${image}.\n\nThe lab is up after ${Math.round(elapsedSeconds())} s.`);
}

async function finish(plan: LabPlan, image: string, signal: AbortSignal): Promise<void> {
  const [founder, second] = plan.clusters;
  const caller = plan.shape.joined > 1 ? (second ?? founder) : founder;
  const marker = `marker-${randomBytes(6).toString('hex')}`;
  const answer = await waitFor(
    async () => {
      const { ok, text } = await call(caller.name, ['--body', marker], signal);
      return ok ? text : void (lastFailure = text);
    },
    { signal, timeoutMs: CALL_TIMEOUT_MS, everyMs: 500, what: () => `a pod in ${caller.name} to get an answer of ${ECHO_URL}; the last attempt said: ${lastFailure}` },
  );
  writeState({ shape: plan.shape, phase: 'up', image });
  await removeUnusedLayers(Date.now());
  printSummary(plan, caller, answer);
}

let lastFailure = '(none)';

function printSummary(plan: LabPlan, caller: ClusterPlan, answer: string): void {
  const [founder] = plan.clusters;
  print(`
A pod in ${caller.name} called ${ECHO_URL} and a pod in ${founder.name} answered, over mutual TLS ${caller.network === founder.network ? 'between the nodes' : 'between the pods, through a gateway'}:
  ${answer}

What runs where
  ${'hub'.padEnd(22)} nats-server at ${HUB_URL}, in the network namespace lb-wan
${plan.clusters.flatMap((cluster) => cluster.nodes.map((node) => `  ${node.name.padEnd(22)} ${node.address}, pods ${node.podRange}${node.role === 'control-plane' ? ', the Kubernetes control plane' : ''}, a Landbridge agent`)).join('\n')}
  In each cluster: the federation service in ${NAMESPACE}, CoreDNS in kube-system, the demo in the namespace demo.

Worth trying
  npm run -s lab -- kubectl ${caller.name} -n demo exec deploy/client -- demo get ${ECHO_URL}
  npm run -s lab -- kubectl ${caller.name} get serviceimports,endpointslices -A
  npm run -s lab -- logs ${founder.name} agent
  npm run -s lab -- landbridge ${caller.name} status
  npm run -s lab -- down

The lab is up after ${Math.round(elapsedSeconds())} s.`);
}
