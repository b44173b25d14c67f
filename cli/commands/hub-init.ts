import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { Result } from '@landbridge/core/result.ts';
import { type CommandContext, DEFAULT_NAMESPACE } from '../command-context.ts';
import { type HubUrl, parseHost, parseHubUrl } from '../hub-url.ts';

interface HubInitOptions {
  readonly url: readonly HubUrl[];
  readonly san?: readonly string[];
  readonly out: string;
  readonly namespace: string;
}

export function hubCommand(context: CommandContext): Command {
  const init = new Command('init')
    .description('make the files of a new hub: configuration and certificates for nats-server, and the Secret that makes a cluster the founder')
    .requiredOption('--url <address>', 'tls://HOST:PORT under which clusters reach the hub; may be repeated', collect(parseHubUrl))
    .option('--san <host>', 'further DNS name or IP address for the certificate; may be repeated', collect(parseHost))
    .requiredOption('--out <directory>', 'where to write; the hub keeps its data there too')
    .option('-n, --namespace <name>', 'namespace of Landbridge in the founding cluster', DEFAULT_NAMESPACE)
    .action(async (options: HubInitOptions) => {
      const { makeHub, writeHub } = await import('../hub-init.ts');
      const directory = path.resolve(options.out);
      const files = await makeHub({ urls: options.url, sans: options.san ?? [], directory, namespace: options.namespace }, new Date(context.clock()));
      await writeHub(directory, files);
      context.stdout([...files.keys()].map((name) => `${path.join(directory, name)}\n`).join(''));
      context.stderr(
        `Start the hub:        nats-server -c ${path.join(directory, 'nats.conf')}\n` +
          `Found a federation:   kubectl apply -f ${path.join(directory, 'authority-secret.yaml')}, in one cluster only\n` +
          'These files are secret: whoever has authority-secret.yaml decides which clusters are members. Keep a copy of it in a safe place.\n',
      );
    });
  return new Command('hub').description('the hub over which clusters tell each other of their services').addCommand(init);
}

function collect<T>(parse: (text: string) => Result<T>): (text: string, earlier: readonly T[] | undefined) => readonly T[] {
  return (text, earlier = []) => {
    const parsed = parse(text);
    if (!parsed.ok) throw new InvalidArgumentError(`${parsed.error}.`);
    return [...earlier, parsed.value];
  };
}
