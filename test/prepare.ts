import path from 'node:path';
import { installPackages, prepareMachine } from '@landbridge/lab/machine.ts';
import { run } from '@landbridge/lab/run.ts';
import { buildTools, toolPath, toolsAreBuilt } from '@landbridge/lab/tools.ts';
import { REPOSITORY } from './command.ts';
import { installStrangePeer } from './engine/strange-peer.ts';

/** Nodes of the lab that the end-to-end tests start: three clusters of two. */
const NODES = 6;
/** What tests run beyond what the lab does: Vagrant comes with its Ruby. */
const TEST_PACKAGES = { ruby: ['/usr/bin/ruby'], vagrant: ['/usr/bin/vagrant'], python3: ['/usr/bin/python3'], 'python3-venv': ['/usr/share/doc/python3-venv'], 'nghttp2-client': ['/usr/bin/nghttp'], curl: ['/usr/bin/curl'], 'bind9-dnsutils': ['/usr/bin/dig'], 'musl-tools': ['/usr/bin/musl-gcc'], 'protobuf-compiler': ['/usr/bin/protoc'] };

/** Installs and builds what tests start: Debian packages, the servers that the lab pins, BPF programs. */
export async function prepare(signal: AbortSignal): Promise<void> {
  // Without root nothing can be installed; what is missing then fails by name in the test that needs it.
  if (process.getuid?.() === 0) {
    await prepareMachine({ nodes: NODES, toolsAreBuilt: toolsAreBuilt() }, signal);
    await installPackages(TEST_PACKAGES, signal);
  }
  await buildTools(signal);
  await installStrangePeer(signal);
  await run([process.execPath, path.join(REPOSITORY, 'ebpf/build.ts')], { signal, cwd: REPOSITORY });
  process.env['LANDBRIDGE_NATS_SERVER'] = toolPath('nats-server');
  process.env['LANDBRIDGE_HELM'] = toolPath('helm');
}
