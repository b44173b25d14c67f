/** The real ztunnel under our federation service, beside our own agents. */
import test from 'ava';
import { FederationService } from './federation-service.ts';
import { programsOf } from './istio-programs.ts';
import { registerCalls, registerOnDemand, type Under } from './mesh-contract.ts';
import { TrialMesh } from './trial-mesh.ts';

const ROOT = 'landbridge-system';
const AGENT = `${ROOT}/landbridge-agent`;

let trial: TrialMesh;
let control: FederationService;

test.before(async (t) => {
  const programs = await programsOf(process.env, AbortSignal.timeout(60_000));
  t.log(programs.versions);
  trial = await TrialMesh.open(programs);
  control = new FederationService(trial.cluster);
  await control.start();
});

// It is not there where the hook before has failed.
test.after.always(async () => await (trial as TrialMesh | undefined)?.[Symbol.asyncDispose]());

const under = (): Under => ({ trial, control, who: 'ours', root: ROOT, accounts: { west: AGENT, east: AGENT, north: AGENT }, trust: 'discovery' });

registerCalls(under);

registerOnDemand(under);
