/**
 * Captures one pod, dials its application as the agent does, and releases it, as a process of its own that may be given
 * fewer capabilities. Writes `done`, or the step that failed and why.
 */
import { addressBytes } from '@landbridge/ebpf/capture-layout.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { Capture } from '@landbridge/agent/capture/capture.ts';
import { dialAsClient } from '@landbridge/agent/capture/pod-dial.ts';

const [cgroupRoot = '', bpfRoot = '', uid = '', address = '', namespacePath = ''] = process.argv.slice(2);
let step = 'load';
try {
  using capture = new Capture({ cgroupRoot, bpfRoot });
  step = 'capture';
  const pod = capture.capture({ uid, addresses: [address], namespacePath });
  step = 'dial';
  new FileDescriptor(dialAsClient(pod.handles, addressBytes('192.0.2.1'), addressBytes(address), 8080).fd)[Symbol.dispose]();
  step = 'release';
  capture.release(pod);
  process.stdout.write('done\n');
} catch (thrown) {
  process.stdout.write(`${step}: ${thrown instanceof Error ? thrown.message.split('\n')[0] : String(thrown)}\n`);
}
