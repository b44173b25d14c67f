import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv } from 'ajv';
import test from 'ava';
import { parse } from 'yaml';
import { bundleAgent, bundleFederation } from '@landbridge/lab/program-bundles.ts';
import { readEnvironment } from '@landbridge/agent/config.ts';
import { buildAccelerationObject, buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { readConfig } from '@landbridge/federation/config.ts';
import { ImportPolicySpecSchema } from '@landbridge/federation/consent/import-policy-schema.ts';
import { MEMBER_GROUP, MEMBER_VERSION, MemberStatusSchema } from '@landbridge/federation/peers/member-object.ts';
import { productEntries } from '@landbridge/lab/images.ts';
import { CHARTS, type ChartName, type Manifest, only, render } from './render.ts';

const NAMES: readonly ChartName[] = ['federation', 'agent', 'gateway'];
const EAST = { 'cluster.name': 'east' };

for (const chart of NAMES) {
  test(`${chart}: the schema takes the chart's own values with a name, and knows every key of them`, (t) => {
    const read = (file: string): string => readFileSync(path.join(CHARTS, chart, file), 'utf8');
    const schema = JSON.parse(read('values.schema.json')) as Manifest;
    const values = parse(read('values.yaml')) as Manifest;
    const accepts = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false }).compile(schema);
    t.false(accepts(values), 'a cluster without a name');
    t.true(accepts({ ...values, cluster: { ...values.cluster, name: 'east' } }), JSON.stringify(accepts.errors));
    t.deepEqual(Object.keys(values).filter((key) => !(key in schema.properties)), []);
    for (const section of [schema, schema.properties.cluster, schema.properties.image]) t.false(section.additionalProperties);
  });

  for (const [what, values] of [
    ['no name', {}],
    ['a name that is no label', { 'cluster.name': 'East' }],
    ['a reserved name', { 'cluster.name': 'members' }],
    ['a misspelt key', { ...EAST, clusters: { name: 'x' } }],
    ['a misspelt key of a section', { ...EAST, 'cluster.trustdomain': 'x' }],
    ['a log level that does not exist', { ...EAST, logLevel: 'loud' }],
  ] as const) {
    test(`${chart}: refuses ${what}`, async (t) => {
      const error = await t.throwsAsync(async () => await render(chart, values));
      t.regex(error.message, /don't meet the specifications of the schema/);
    });
  }

  test(`${chart}: rights name each verb and each resource`, async (t) => {
    const roles = (await render(chart, EAST)).filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role');
    // A gateway asks nothing of the API server.
    t.is(roles.length > 0, chart !== 'gateway');
    for (const { kind, rules } of roles) {
      for (const rule of rules) {
        for (const words of [rule.verbs, rule.resources, rule.apiGroups]) t.false(words.includes('*'));
        if (rule.resources.includes('secrets')) {
          t.is(kind, 'Role');
          t.deepEqual(rule.verbs.filter((verb: string) => ['list', 'watch', 'delete', 'deletecollection'].includes(verb)), []);
          if (!rule.verbs.includes('create')) t.true(rule.resourceNames.length > 0);
        }
      }
    }
  });

  test(`${chart}: every object is in the release's namespace, or in none, and bears its labels`, async (t) => {
    for (const { kind, metadata } of (await render(chart, EAST)).filter((manifest) => manifest.kind !== 'CustomResourceDefinition')) {
      if (!kind.startsWith('Cluster')) t.is(metadata.namespace, 'landbridge-system', kind);
      t.is(metadata.name, `landbridge-${chart}`);
      t.is(metadata.labels['app.kubernetes.io/name'], `landbridge-${chart}`);
    }
  });
}

test('what the charts have the kubelet start is in the image, with what it starts itself', async (t) => {
  buildAccelerationObject();
  buildCaptureObject();
  bundleAgent();
  bundleFederation();
  const files = new Set(productEntries().map((entry) => `/${entry.path}`));
  for (const [chart, kind] of [['federation', 'Deployment'], ['agent', 'DaemonSet'], ['gateway', 'Deployment']] as const) {
    const [{ args }] = only(await render(chart, EAST), kind).spec.template.spec.containers as [{ args: string[] }];
    // What comes before are options of Node.js, which is the image's entry point.
    const program = args.find((arg) => !arg.startsWith('-'));
    t.true(files.has(program ?? ''), `${chart} starts ${program}`);
  }
  for (const file of ['/app/dist/data-thread-main.cjs', '/app/dist/readiness-probe.cjs', '/app/ebpf/dist/capture.bpf.o', '/app/ebpf/dist/acceleration.bpf.o']) t.true(files.has(file), file);
  t.deepEqual([...files].filter((file) => /^\/app\/(agent|native)\//.test(file)), [], 'sources of what is bundled');
});

test('federation: the pod has no privilege at all', async (t) => {
  const { template } = only(await render('federation', EAST), 'Deployment').spec;
  const [container] = template.spec.containers;
  t.like(template.spec.securityContext, { runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: 'RuntimeDefault' } });
  t.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
  t.deepEqual([template.spec.hostNetwork, template.spec.hostPID, template.spec.hostIPC], [undefined, undefined, undefined]);
});

test('federation: a leaf node is there only where it is wanted, has no privilege, and its secrets are in files', async (t) => {
  const without = await render('federation', EAST);
  t.false(JSON.stringify(without).includes('landbridge-leaf'));
  const manifests = await render('federation', { ...EAST, 'leaf.enabled': true, 'leaf.hubPort': 7777 });
  const deployment = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'landbridge-leaf');
  const { spec: pod } = deployment.spec.template;
  const [container] = pod.containers;
  t.like(pod, { automountServiceAccountToken: false, securityContext: { runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: 'RuntimeDefault' } } });
  t.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
  t.deepEqual([container.args, container.env], [['-c', '/etc/landbridge-leaf/nats.conf'], undefined]);
  t.deepEqual(pod.volumes[0].secret.items.map(({ key }: Manifest) => key), ['nats.conf', 'hub.creds', 'hub-ca.pem', 'leaf.pem', 'leaf-key.pem'], 'not the key of the federation service');
  const service = manifests.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'landbridge-leaf');
  t.deepEqual(service.spec.selector, deployment.spec.selector.matchLabels);
  const configuration = JSON.parse(only(manifests, 'ConfigMap').data['config.json']);
  t.deepEqual(configuration.leaf, { enabled: true, hubPort: 7777 });
  const secrets = (of: readonly Manifest[]): string[] => of.filter(({ kind }) => kind === 'Role').flatMap(({ rules }) => rules).flatMap(({ resourceNames = [] }: Manifest) => resourceNames);
  t.deepEqual(secrets(manifests).filter((name) => !secrets(without).includes(name)), ['landbridge-leaf']);
  await t.throwsAsync(render('federation', { ...EAST, 'leaf.runAsUser': 0 }));
});

for (const [what, values, environment, folders] of [
  ['the labels of the API server, with NRI where it is', {}, { POD_SOURCE: 'kubernetes', GATE: 'cni', NRI_SOCKET: '/var/run/nri/nri.sock' }, ['/var/run/nri', '/var/run/netns']],
  ['NRI as the gate', { gate: 'nri', 'nri.directory': '/run/elsewhere' }, { GATE: 'nri', NRI_SOCKET: '/run/elsewhere/nri.sock' }, ['/run/elsewhere', '/var/run/netns']],
  ['no NRI', { 'nri.directory': '' }, { GATE: 'cni', NRI_SOCKET: '' }, ['/var/run/netns']],
  ['istio-cni', { podSource: 'zds' }, { POD_SOURCE: 'zds', INPOD_UDS: '/var/run/ztunnel/ztunnel.sock' }, ['/var/run/ztunnel']],
] as const) {
  test(`agent: pods by ${what}`, async (t) => {
    const { containers, volumes } = only(await render('agent', { ...EAST, ...values }), 'DaemonSet').spec.template.spec;
    t.like(readEnvironment(Object.fromEntries(containers[0].env.map(({ name, value }: Manifest) => [name, value ?? 'of-the-pod']))), environment);
    const mounts: Manifest[] = containers[0].volumeMounts.filter(({ mountPath }: Manifest) => ['nri', 'elsewhere', 'netns', 'ztunnel'].some((word) => mountPath.includes(word)));
    t.deepEqual(mounts.map(({ mountPath }) => mountPath), [...folders]);
    for (const { name, mountPath } of mounts) t.like(volumes.find((volume: Manifest) => volume.name === name), { hostPath: { path: mountPath, type: 'DirectoryOrCreate' } });
  });
}

test('agent: two agents of a node meet in one folder to hand connections over, unless that is off', async (t) => {
  const of = async (values: object): Promise<Manifest> => only(await render('agent', { ...EAST, ...values }), 'DaemonSet').spec.template.spec;
  const { containers, volumes } = await of({ 'handover.directory': '/run/meet' });
  t.like(readEnvironment(Object.fromEntries(containers[0].env.map(({ name, value }: Manifest) => [name, value ?? 'of-the-pod']))), { HANDOVER_DIRECTORY: '/run/meet' });
  const mount = containers[0].volumeMounts.find(({ mountPath }: Manifest) => mountPath === '/run/meet');
  t.like(volumes.find(({ name }: Manifest) => name === mount.name), { hostPath: { path: '/run/meet', type: 'DirectoryOrCreate' } });
  const off = await of({ 'handover.enabled': false });
  t.is(JSON.stringify(off).includes('handover'), false);
  t.is(JSON.stringify(off).includes('HANDOVER'), false);
});

test('agent: the CNI gate has its folders, and pods that an agent may need start without it', async (t) => {
  const manifests = await render('agent', { ...EAST, 'federation.namespace': 'control', 'cni.configurationDirectory': '/var/lib/cni/net.d' });
  const { containers, volumes } = only(manifests, 'DaemonSet').spec.template.spec;
  t.like(readEnvironment(Object.fromEntries(containers[0].env.map(({ name, value }: Manifest) => [name, value ?? 'of-the-pod']))), { GATE: 'cni', CNI_SOCKET: '/run/landbridge/cni.sock', CNI_EXEMPT_NAMESPACES: 'kube-system,landbridge-system,control', LIFT_STARTUP_TAINT: 'false', DAEMON_SET: 'landbridge-agent' });
  const hostPath = (mountPath: string): string => volumes.find(({ name }: Manifest) => name === containers[0].volumeMounts.find((mount: Manifest) => mount.mountPath === mountPath)?.name).hostPath.path;
  t.deepEqual(['/host/etc/cni/net.d', '/host/opt/cni/bin', '/run/landbridge'].map(hostPath), ['/var/lib/cni/net.d', '/opt/cni/bin', '/run/landbridge']);
  t.deepEqual(rightsOf(manifests), ['create events', 'get list watch daemonsets', 'get list watch pods,namespaces,nodes', 'patch pods']);
  t.deepEqual(rightsOf(await render('agent', { ...EAST, 'cni.startupTaint': true })), ['create events', 'get list watch daemonsets', 'get list watch pods,namespaces,nodes', 'patch nodes', 'patch pods']);
});

test('agent: istiod in the place of the federation service', async (t) => {
  const of = async (values: object) => only(await render('agent', { ...EAST, 'istiod.address': 'istiod.mesh.svc:15012', ...values }), 'DaemonSet').spec.template.spec;
  const { containers, volumes } = await of({});
  const environment = (from: Manifest) => readEnvironment(Object.fromEntries(from[0].env.map(({ name, value }: Manifest) => [name, value ?? 'of-the-pod'])));
  t.like(environment(containers), { XDS_ADDRESS: 'https://istiod.mesh.svc:15012', CA_ADDRESS: 'https://istiod.mesh.svc:15012', CLUSTER_ID: 'Kubernetes', TRUST_DOMAIN: 'cluster.local', TRUST_SOURCE: 'certificates', CNI_EXEMPT_NAMESPACES: 'kube-system,landbridge-system,mesh' });
  t.is(volumes.find(({ name }: Manifest) => name === 'root').configMap.name, 'istio-ca-root-cert');
  t.like(environment((await of({ 'istiod.address': '10.0.0.1:15012', 'istiod.clusterId': 'east', 'cluster.trustDomain': 'td.example' })).containers), { CLUSTER_ID: 'east', TRUST_DOMAIN: 'td.example', CNI_EXEMPT_NAMESPACES: 'kube-system,landbridge-system,istio-system' });
  const { containers: [ours], volumes: own } = only(await render('agent', EAST), 'DaemonSet').spec.template.spec;
  t.like(environment([ours]), { XDS_ADDRESS: 'https://landbridge-federation.landbridge-system.svc:15012', CLUSTER_ID: 'east', TRUST_DOMAIN: 'east.landbridge', TRUST_SOURCE: 'discovery' });
  t.is(own.find(({ name }: Manifest) => name === 'root').configMap.name, 'landbridge-ca-root');
  await t.throwsAsync(async () => await of({ 'istiod.address': 'https://istiod.mesh.svc:15012' }), { message: /don't meet the specifications of the schema/ });
});

test('agent: another gate leaves the CNI configuration of the node alone', async (t) => {
  for (const values of [{ gate: 'nri' }, { podSource: 'zds' }]) {
    const manifests = await render('agent', { ...EAST, ...values });
    t.false(JSON.stringify(only(manifests, 'DaemonSet')).includes('cni/'), JSON.stringify(values));
    t.false(rightsOf(manifests).includes('create events'));
  }
});

const rightsOf = (manifests: readonly Manifest[]): string[] => manifests.filter(({ kind }) => kind.endsWith('Role')).flatMap(({ rules }) => rules.map(({ verbs, resources }: Manifest) => `${verbs.join(' ')} ${resources.join(',')}`)).sort();

test('agent: the control group of the kubelet', async (t) => {
  const environmentOf = async (values: object): Promise<unknown> => only(await render('agent', { ...EAST, ...values }), 'DaemonSet').spec.template.spec.containers[0].env.find(({ name }: Manifest) => name === 'KUBELET_CGROUP').value;
  t.is(await environmentOf({}), '');
  t.is(await environmentOf({ 'kubelet.cgroup': '/podruntime/kubelet' }), '/podruntime/kubelet');
  for (const cgroup of ['/', 'kubelet.service', '/a/../b']) await t.throwsAsync(async () => await environmentOf({ 'kubelet.cgroup': cgroup }), { message: /don't meet the specifications of the schema/ }, cgroup);
});

test('agent: how many nodes are replaced at once is a number or a percentage', async (t) => {
  for (const maxSurge of [3, '25%']) t.is(only(await render('agent', { ...EAST, maxSurge }), 'DaemonSet').spec.updateStrategy.rollingUpdate.maxSurge, maxSurge);
  for (const maxSurge of [0, '0%', 'all']) await t.throwsAsync(async () => await render('agent', { ...EAST, maxSurge }), { message: /don't meet the specifications of the schema/ });
});

test('agent: a gate or a source that does not exist is refused', async (t) => {
  for (const values of [{ gate: 'iptables' }, { podSource: 'docker' }]) await t.throwsAsync(async () => await render('agent', { ...EAST, ...values }), { message: /don't meet the specifications of the schema/ });
});

test('federation: the configuration has its defaults filled in, and a change of it starts a new pod', async (t) => {
  const manifests = await render('federation', EAST);
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'config.json');
  writeFileSync(file, only(manifests, 'ConfigMap').data['config.json']);
  t.deepEqual(readConfig({ LANDBRIDGE_CONFIG: file, POD_NAMESPACE: 'landbridge-system' }), { cluster: 'east', trustDomain: 'east.landbridge', network: '', domain: 'cluster.local', gateways: [], podRanges: [], serviceRanges: [], rootNamespace: 'landbridge-system', istioShape: 'ambient', logLevel: 'info', peers: { stalePolicy: 'deprioritize', staleAfterSeconds: 60, dropAfterSeconds: 0 }, ca: { source: 'self', secret: 'cacerts', directory: '/var/run/landbridge/ca', signerName: '', approves: true, rootsConfigMap: '', rootsKey: 'ca.crt' }, namespace: 'landbridge-system' });
  const other = await render('federation', { ...EAST, logLevel: 'debug' });
  const hash = (all: readonly Manifest[]): string => only(all, 'Deployment').spec.template.metadata.annotations['landbridge.dev/config'];
  t.not(hash(manifests), hash(other));
  t.is(only(manifests, 'Deployment').spec.strategy.type, 'RollingUpdate');
});

test('federation: kinds of policies, entries and properties are defined unless that is not wanted, and kept when the chart goes', async (t) => {
  const definitions = (await render('federation', EAST)).filter(({ kind }) => kind === 'CustomResourceDefinition');
  t.deepEqual(definitions.map(({ metadata }) => metadata.name), ['authorizationpolicies.security.istio.io', 'clusterproperties.about.k8s.io', 'destinationrules.networking.istio.io', 'peerauthentications.security.istio.io', 'serviceentries.networking.istio.io', 'workloadentries.networking.istio.io']);
  for (const { metadata, spec } of definitions) {
    t.is(metadata.annotations['helm.sh/resource-policy'], 'keep');
    if (spec.group === 'about.k8s.io') continue;
    const older = spec.group === 'networking.istio.io' ? ['v1beta1', 'v1alpha3'] : ['v1beta1'];
    t.is(spec.names.categories.includes('landbridge'), spec.group === 'networking.istio.io', 'by which the service knows them for ours');
    t.deepEqual(spec.versions.map(({ name, served, storage }: Manifest) => [name, served, storage]), [['v1', true, true], ...older.map((name) => [name, true, false])]);
    for (const { subresources } of spec.versions) t.deepEqual(subresources, { status: {} });
  }
  const groups = { policies: 'security.istio.io', entries: 'networking.istio.io', properties: 'about.k8s.io' };
  for (const [unwanted, group] of Object.entries(groups)) {
    const left = (await render('federation', { ...EAST, [`${unwanted}.installDefinitions`]: false })).filter(({ kind }) => kind === 'CustomResourceDefinition');
    t.deepEqual([...new Set(left.map(({ spec }) => spec.group))].sort(), Object.values(groups).filter((each) => each !== group).sort());
  }
});

test('federation: of policies nothing but what became of them is written', async (t) => {
  const rules: Manifest[] = only(await render('federation', EAST), 'ClusterRole').rules.filter(({ apiGroups, resources }: Manifest) => apiGroups.includes('security.istio.io') || resources.some((name: string) => name.startsWith('destinationrules')));
  t.deepEqual(rules.map(({ resources, verbs }) => [resources, verbs]), [
    [['authorizationpolicies', 'peerauthentications'], ['get', 'list', 'watch']],
    [['authorizationpolicies/status', 'peerauthentications/status'], ['patch']],
    [['destinationrules'], ['get', 'list', 'watch']],
    [['destinationrules/status'], ['patch']],
  ]);
});

test('federation: the Service leads to ports that the pod has', async (t) => {
  const manifests = await render('federation', EAST);
  const { template } = only(manifests, 'Deployment').spec;
  const ports = new Map(template.spec.containers[0].ports.map((port: Manifest) => [port.name, port.containerPort]));
  const service = only(manifests, 'Service').spec;
  t.deepEqual(service.ports.map(({ port, targetPort }: Manifest) => [port, ports.get(targetPort)]), [[15012, 15012], [15014, 15014]]);
  t.like(template.metadata.labels, service.selector);
});

test('agent: its environment is what the agent reads', async (t) => {
  const [container] = only(await render('agent', { ...EAST, 'cluster.network': 'n1' }), 'DaemonSet').spec.template.spec.containers;
  const environment = Object.fromEntries(container.env.map(({ name, value }: Manifest) => [name, value ?? 'of-the-pod']));
  t.like(readEnvironment(environment), {
    XDS_ADDRESS: 'https://landbridge-federation.landbridge-system.svc:15012',
    CA_ADDRESS: 'https://landbridge-federation.landbridge-system.svc:15012',
    CLUSTER_ID: 'east',
    TRUST_DOMAIN: 'east.landbridge',
    NETWORK: 'n1',
    NODE_NAME: 'of-the-pod',
    LOG_LEVEL: 'info',
  });
});

test('gateway: its environment is what the agent reads, and it has no privilege', async (t) => {
  const { template } = only(await render('gateway', { ...EAST, 'cluster.network': 'n1' }), 'Deployment').spec;
  const [container] = template.spec.containers;
  const environment = Object.fromEntries(container.env.map(({ name, value }: Manifest) => [name, value ?? 'of-the-pod']));
  t.like(readEnvironment(environment), { ROLE: 'gateway', SERVICE_ACCOUNT: 'landbridge-gateway', NETWORK: 'n1', TRUST_DOMAIN: 'east.landbridge', WORKERS: 0 });
  t.like(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: { drop: ['ALL'] } });
  t.is(template.spec.hostNetwork, undefined);
});

test('gateway: the Service leads to the port of tunnels', async (t) => {
  const manifests = await render('gateway', EAST);
  const { template } = only(manifests, 'Deployment').spec;
  const service = only(manifests, 'Service').spec;
  t.deepEqual(service.ports.map(({ port, targetPort }: Manifest) => [port, targetPort]), [[15008, 'hbone']]);
  t.is(template.spec.containers[0].ports.find(({ name }: Manifest) => name === 'hbone').containerPort, 15008);
  t.like(template.metadata.labels, service.selector);
});

test('agent: files that its environment names are mounted', async (t) => {
  const { spec } = only(await render('agent', EAST), 'DaemonSet').spec.template;
  const mounts = new Map(spec.containers[0].volumeMounts.map(({ name, mountPath }: Manifest) => [mountPath, spec.volumes.find((volume: Manifest) => volume.name === name)]));
  t.like(mounts.get('/var/run/secrets/landbridge'), { configMap: { name: 'landbridge-ca-root', optional: true } });
  t.deepEqual((mounts.get('/var/run/secrets/tokens') as Manifest).projected.sources, [{ serviceAccountToken: { audience: 'istio-ca', expirationSeconds: 43200, path: 'istio-token' } }]);
  for (const folder of ['/sys/fs/cgroup', '/sys/fs/bpf']) t.is((mounts.get(folder) as Manifest).hostPath.path, folder);
});

test('agent: it runs on every node, and one follows another', async (t) => {
  const { spec } = only(await render('agent', EAST), 'DaemonSet');
  t.deepEqual(spec.updateStrategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
  const [{ ports, env, startupProbe, volumeMounts }] = spec.template.spec.containers as [Manifest];
  t.is(ports, undefined, 'ports of the node, which two can not have');
  const socket = env.find(({ name }: Manifest) => name === 'HEALTH_SOCKET').value;
  t.deepEqual(startupProbe.exec.command, ['node', '/app/dist/readiness-probe.cjs', socket]);
  const { name } = volumeMounts.find(({ mountPath }: Manifest) => mountPath === path.dirname(socket));
  t.truthy(spec.template.spec.volumes.find((volume: Manifest) => volume.name === name).emptyDir, 'of this pod alone');
  t.like(spec.template.spec, { hostNetwork: true, hostPID: true, priorityClassName: 'system-node-critical', dnsPolicy: 'ClusterFirstWithHostNet', tolerations: [{ operator: 'Exists' }] });
  t.is(spec.template.spec.containers[0].livenessProbe, undefined);
});

for (const [kind, file] of [['ServiceExport', 'serviceexports.yaml'], ['ServiceImport', 'serviceimports.yaml']] as const) {
  test(`the definition of ${kind} serves both versions with one schema`, (t) => {
    const { metadata, spec } = parse(readFileSync(path.join(CHARTS, 'federation/crds', file), 'utf8')) as Manifest;
    t.is(metadata.name, `${spec.names.plural}.multicluster.x-k8s.io`);
    t.is(spec.names.kind, kind);
    t.truthy(metadata.annotations['api-approved.kubernetes.io']);
    t.deepEqual(spec.versions.map(({ name, served, storage }: Manifest) => [name, served, storage]), [['v1beta1', true, true], ['v1alpha1', true, false]]);
    t.deepEqual(spec.versions[0].schema, spec.versions[1].schema);
    for (const version of spec.versions) t.deepEqual(version.subresources, { status: {} });
  });
}

test('the schema of ImportPolicy in its definition has the fields and limits that are read', (t) => {
  const { metadata, spec } = parse(readFileSync(path.join(CHARTS, 'federation/crds/importpolicies.yaml'), 'utf8')) as Manifest;
  t.is(metadata.name, `${spec.names.plural}.${spec.group}`);
  t.is(spec.scope, 'Cluster');
  // Of a schema all that decides; the API server's has words for readers and hints for merging beside it.
  const essence = (schema: Manifest): unknown => {
    const { type, properties, items, required, minItems, maxItems, minLength, maxLength, minimum, maximum, pattern } = schema;
    const kept = { type, required, minItems, maxItems, minLength, maxLength: pattern === undefined ? maxLength : undefined, minimum, maximum, pattern, items: items === undefined ? undefined : essence(items), properties: properties === undefined ? undefined : Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, essence(each as Manifest)])) };
    return JSON.parse(JSON.stringify(kept));
  };
  t.deepEqual(essence(spec.versions[0].schema.openAPIV3Schema.properties.spec), essence(ImportPolicySpecSchema as Manifest));
});

test('the definition of Member has the fields that are written, with the same bounds', (t) => {
  const { metadata, spec } = parse(readFileSync(path.join(CHARTS, 'federation/crds/members.yaml'), 'utf8')) as Manifest;
  t.deepEqual([metadata.name, spec.group, spec.scope], [`members.${MEMBER_GROUP}`, MEMBER_GROUP, 'Cluster']);
  const [{ schema, subresources, name }] = spec.versions;
  t.deepEqual([`${spec.group}/${name}`, subresources], [MEMBER_VERSION, { status: {} }]);
  const { status } = schema.openAPIV3Schema.properties;
  const plain = (value: unknown): Manifest => JSON.parse(JSON.stringify(value)) as Manifest;
  const written = plain(MemberStatusSchema);
  t.deepEqual([...status.required].sort(), [...written.required].sort());
  t.deepEqual(Object.keys(status.properties), Object.keys(written.properties));
  t.deepEqual(status.properties.state.enum, written.properties.state.anyOf.map((each: Manifest) => each.const));
  for (const [field, of] of Object.entries(written.properties as Manifest)) if (field !== 'state' && field !== 'conditions') t.like(status.properties[field], of as Manifest);
  t.is(status.properties.conditions.maxItems, written.properties.conditions.maxItems);
  t.deepEqual([...status.properties.conditions.items.required].sort(), [...written.properties.conditions.items.required].sort());
});

test('the federation service may write each of its Secrets by name, and only read what the founder was given', async (t) => {
  const rules = (await render('federation', EAST)).filter(({ kind }) => kind === 'Role').flatMap((role) => role.rules as { resources: string[]; resourceNames?: string[]; verbs: string[] }[]);
  const verbs = new Map<string, string[]>();
  for (const rule of rules.filter(({ resources }) => resources.includes('secrets'))) for (const name of rule.resourceNames ?? ['*']) verbs.set(name, [...(verbs.get(name) ?? []), ...rule.verbs].sort());
  const written = ['landbridge-ca', 'landbridge-hub-credentials', 'landbridge-join-keys', 'landbridge-join-tokens', 'landbridge-removed-members'];
  t.deepEqual(Object.fromEntries(verbs), { '*': ['create'], 'landbridge-hub-authority': ['get'], ...Object.fromEntries(written.map((name) => [name, ['get', 'patch', 'update']])) });
});

test('federation: a Secret with a join token is read where the values name one', async (t) => {
  const rights = async (values: Record<string, string>): Promise<string[]> => (await render('federation', { ...EAST, ...values })).filter(({ kind }) => kind === 'Role').flatMap((role) => (role.rules as { resourceNames?: string[]; verbs: string[] }[]).filter(({ resourceNames }) => resourceNames?.includes('the-token')).flatMap(({ verbs }) => verbs));
  t.deepEqual(await rights({ 'join.tokenSecret': 'the-token' }), ['get']);
  t.deepEqual(await rights({}), []);
  await t.throwsAsync(render('federation', { ...EAST, 'join.tokenSecret': 'The Token' }), { message: /don't meet the specifications/ });
});

test('federation: an authority of others is read from where the values say, and nothing more may be read', async (t) => {
  const secretRights = async (values: Record<string, string>): Promise<string[]> => (await render('federation', { ...EAST, ...values })).filter(({ kind }) => kind === 'Role').flatMap((role) => (role.rules as { resourceNames?: string[]; verbs: string[] }[]).filter(({ resourceNames }) => resourceNames?.includes('corporate-ca')).flatMap(({ verbs }) => verbs));
  t.deepEqual(await secretRights({ 'ca.source': 'secret', 'ca.secret': 'corporate-ca' }), ['get']);
  t.deepEqual(await secretRights({ 'ca.secret': 'corporate-ca' }), []);
  const { spec } = only(await render('federation', { ...EAST, 'ca.source': 'files', 'ca.volume.secret.secretName': 'x' }), 'Deployment').spec.template;
  t.like(spec.volumes.find(({ name }: Manifest) => name === 'ca'), { secret: { secretName: 'x' } });
  t.like(spec.containers[0].volumeMounts.find(({ name }: Manifest) => name === 'ca'), { mountPath: '/var/run/landbridge/ca', readOnly: true });
  await t.throwsAsync(render('federation', { ...EAST, 'ca.source': 'files' }), { message: /ca.volume must say/ });
  await t.throwsAsync(render('federation', { ...EAST, 'ca.source': 'elsewhere' }), { message: /don't meet the specifications/ });
});

test('federation: requests for certificates may be made only where a signer elsewhere is wanted, and approved only for that one', async (t) => {
  const csr = { ...EAST, 'ca.source': 'csr', 'ca.signerName': 'clusterissuers.cert-manager.io/mesh', 'ca.rootsConfigMap': 'mesh-roots' };
  const rights = async (values: Record<string, unknown>): Promise<unknown[]> => only(await render('federation', values), 'ClusterRole').rules.filter(({ apiGroups }: Manifest) => apiGroups.includes('certificates.k8s.io')).map(({ resources, resourceNames, verbs }: Manifest) => [resources[0], resourceNames, verbs]);
  const requests = ['certificatesigningrequests', undefined, ['create', 'get', 'list', 'watch', 'delete']];
  t.deepEqual(await rights(csr), [requests, ['certificatesigningrequests/approval', undefined, ['update']], ['signers', ['clusterissuers.cert-manager.io/mesh'], ['approve']]]);
  t.deepEqual(await rights({ ...csr, 'ca.approves': false }), [requests]);
  t.deepEqual(await rights({ ...csr, 'ca.source': 'self' }), []);
  const rootsOf = async (values: Record<string, unknown>): Promise<unknown[]> => only(await render('federation', values), 'Role').rules.filter(({ resourceNames }: Manifest) => resourceNames?.includes('mesh-roots')).map(({ resources, verbs }: Manifest) => [resources, verbs]);
  t.deepEqual([await rootsOf(csr), await rootsOf({ ...csr, 'ca.source': 'self' })], [[[['configmaps'], ['get']]], []]);
  for (const [values, message] of [[{ 'ca.signerName': '' }, /must be there/], [{ 'ca.rootsConfigMap': '' }, /must be there/], [{ 'ca.signerName': 'kubernetes.io/kubelet-serving' }, /must not be one of Kubernetes/], [{ 'ca.signerName': 'mesh' }, /don't meet the specifications/]] as const) await t.throwsAsync(render('federation', { ...csr, ...values }), { message });
  const { data } = only(await render('federation', csr), 'ConfigMap');
  t.like(JSON.parse(data['config.json']).ca, { source: 'csr', signerName: 'clusterissuers.cert-manager.io/mesh', approves: true, rootsConfigMap: 'mesh-roots', rootsKey: 'ca.crt' });
});

test('federation: replicas are spread, one at a time may be evicted, and one more is there while they are replaced', async (t) => {
  const manifests = await render('federation', EAST);
  const { spec } = only(manifests, 'Deployment');
  t.is(spec.replicas, 2);
  t.deepEqual(spec.strategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
  const terms: Manifest[] = spec.template.spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution;
  t.deepEqual(terms.map(({ weight, podAffinityTerm }) => [weight, podAffinityTerm]), [[100, 'kubernetes.io/hostname'], [50, 'topology.kubernetes.io/zone']].map(([weight, topologyKey]) => [weight, { topologyKey, labelSelector: spec.selector, matchLabelKeys: ['pod-template-hash'] }]));
  t.deepEqual(only(manifests, 'PodDisruptionBudget').spec, { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: spec.selector });
  const names = spec.template.spec.containers[0].env.map(({ name }: Manifest) => name);
  t.true(['POD_NAME', 'POD_UID'].every((name) => names.includes(name)));
  const alone = await render('federation', { ...EAST, replicas: 1 });
  t.is(alone.find(({ kind }) => kind === 'PodDisruptionBudget'), undefined);
  const own = only(await render('federation', { ...EAST, 'affinity.nodeAffinity': {}, topologySpreadConstraints: [{ topologyKey: 'rack', maxSkew: 2 }] }), 'Deployment').spec.template.spec;
  t.deepEqual([own.affinity, own.topologySpreadConstraints], [{ nodeAffinity: {} }, [{ topologyKey: 'rack', maxSkew: 2 }]]);
  await t.throwsAsync(render('federation', { ...EAST, replicas: 0 }), { message: /don't meet the specifications/ });
});

test('federation: Leases and Gateways, whose names are made of others’, are the only such things that the Role reaches', async (t) => {
  const rules = (await render('federation', EAST)).filter(({ kind }) => kind === 'Role').flatMap((role) => role.rules as { resources: string[]; resourceNames?: string[]; verbs: string[] }[]);
  t.deepEqual(rules.filter(({ resources }) => resources.includes('leases')).map(({ verbs }) => verbs), [['get', 'list', 'watch', 'create', 'patch']]);
  t.deepEqual(rules.filter(({ resources }) => resources.includes('gateways')).map(({ resources, verbs }) => [...resources, ...verbs]), [['gateways', 'create', 'patch', 'delete']]);
  t.true(rules.filter(({ resourceNames, resources, verbs }) => resourceNames === undefined && !resources.includes('leases') && !resources.includes('gateways') && verbs.join() !== 'create').length === 0);
});
