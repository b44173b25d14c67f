import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { Result } from '@landbridge/core/result.ts';
import { foundProblems } from '../checks.ts';
import { addOutputOption, asJson, type CommandContext, DEFAULT_NAMESPACE, type OutputOptions } from '../command-context.ts';
import { EXIT } from '../exit-codes.ts';
import { type HubUrl, parseHost, parseHubUrl } from '../hub-url.ts';
import { checkText } from './check.ts';

interface HubInitOptions {
  readonly url: readonly HubUrl[];
  readonly san?: readonly string[];
  readonly out: string;
  readonly servers: number;
  readonly routePort: number;
  readonly leafPort?: number;
  readonly namespace: string;
}

const DEFAULT_ROUTE_PORT = 6222;

export function hubCommand(context: CommandContext): Command {
  const init = new Command('init')
    .description('make the files of a new hub: configuration and certificates for nats-server, and the Secret that makes a cluster the founder')
    .requiredOption('--url <address>', 'tls://HOST:PORT under which clusters reach the hub; may be repeated', collect(parseHubUrl))
    .option('--servers <number>', 'how many servers the hub is: 1, 3 or 5, with an address for each', serverCount, 1)
    .option('--route-port <port>', 'where servers of one hub hear each other', portNumber, DEFAULT_ROUTE_PORT)
    .option('--leaf-port <port>', 'where leaf nodes of clusters connect; nowhere unless set', portNumber)
    .option('--san <host>', 'further DNS name or IP address for the certificate; may be repeated', collect(parseHost))
    .requiredOption('--out <directory>', 'where to write; the hub keeps its data there too')
    .option('-n, --namespace <name>', 'namespace of Landbridge in the founding cluster', DEFAULT_NAMESPACE)
    .action(async (options: HubInitOptions) => {
      const { makeHub, writeHub } = await import('../hub-init.ts');
      const directory = path.resolve(options.out);
      const servers = options.servers === 1 ? {} : { servers: { count: options.servers as 3 | 5, routePorts: Array.from({ length: options.servers }, () => options.routePort) } };
      const files = await makeHub({ urls: options.url, sans: options.san ?? [], directory, namespace: options.namespace, ...servers, ...(options.leafPort === undefined ? {} : { leafPort: options.leafPort }) }, new Date(context.clock()));
      await writeHub(directory, files);
      context.stdout([...files.keys()].map((name) => `${path.join(directory, name)}\n`).join(''));
      context.stderr(
        (options.servers === 1
          ? `Start the hub:        nats-server -c ${path.join(directory, 'nats.conf')}\n`
          : options.url.map(({ host }, index) => `Start server ${index + 1}:       nats-server -c ${path.join(directory, `server-${index + 1}`, 'nats.conf')}, on ${host}: its folder goes to the same place there\n`).join('')) +
          `Found a federation:   kubectl apply -f ${path.join(directory, 'authority-secret.yaml')}, in one cluster only\n` +
          'These files are secret: whoever has authority-secret.yaml decides which clusters are members, operator.json adds federations. Keep a copy of both in a safe place.\n',
      );
    });
  const add = new Command('add-federation')
    .description('make the Secret that founds one more federation at a hub: its clusters and those of the others have nothing in common')
    .argument('<directory>', 'of the hub, as landbridge hub init wrote it')
    .requiredOption('--out <directory>', 'where to write')
    .option('-n, --namespace <name>', 'namespace of Landbridge in the founding cluster', DEFAULT_NAMESPACE)
    .action(async (hub: string, options: Pick<HubInitOptions, 'out' | 'namespace'>) => {
      const { addFederation, readOperatorFile, writeHub } = await import('../hub-init.ts');
      const directory = path.resolve(options.out);
      const files = await addFederation(await readOperatorFile(path.resolve(hub)), options.namespace);
      await writeHub(directory, files);
      context.stdout([...files.keys()].map((name) => `${path.join(directory, name)}\n`).join(''));
      context.stderr(`Found the federation:  kubectl apply -f ${path.join(directory, 'authority-secret.yaml')}, in one cluster only; the hub is told of it by that cluster\nThe file is secret: whoever has it decides which clusters are members.\n`);
    });
  const lint = new Command('lint')
    .description(`look for what is wrong in the configuration of a hub; ends with ${EXIT.checkFoundProblems} when something is`)
    .argument('<file>', 'nats.conf')
    .option('--server <program>', 'the nats-server that reads it, to ask for its version', 'nats-server');
  addOutputOption(lint).action(async (file: string, options: OutputOptions & { readonly server: string }) => {
    const { lintHubFile } = await import('../hub-lint/lint-hub-file.ts');
    const results = await lintHubFile(file, options.server, context.signal);
    context.stdout(options.output === 'json' ? asJson({ checks: results }) : checkText(results));
    if (foundProblems(results)) context.setExitCode(EXIT.checkFoundProblems);
  });
  return new Command('hub').description('the hub over which clusters tell each other of their services').addCommand(init).addCommand(add).addCommand(lint);
}

function serverCount(text: string): number {
  if (!['1', '3', '5'].includes(text)) throw new InvalidArgumentError('It must be 1, 3 or 5: of an even number more have to be there for the same that may be lost.');
  return Number(text);
}

function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) throw new InvalidArgumentError('It must be a port, 1 to 65535.');
  return Number(text);
}

function collect<T>(parse: (text: string) => Result<T>): (text: string, earlier: readonly T[] | undefined) => readonly T[] {
  return (text, earlier = []) => {
    const parsed = parse(text);
    if (!parsed.ok) throw new InvalidArgumentError(`${parsed.error}.`);
    return [...earlier, parsed.value];
  };
}
