import { Command } from 'commander';
import type { ServiceStatus } from '@landbridge/federation/admin/admin-api.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { printable, textTable } from '../text-table.ts';

export function servicesCommand(context: CommandContext): Command {
  const command = new Command('services').description('show the services of the clusterset and where their endpoints are');
  return addOutputOption(addClusterOptions(command)).action(async (options: ClusterOptions & OutputOptions) => {
    const services = await (await context.admin(options)).services(context.signal);
    context.stdout(options.output === 'json' ? asJson({ services }) : servicesText(services));
  });
}

export function servicesText(services: readonly ServiceStatus[]): string {
  if (services.length === 0) return 'No service is exported in the clusterset.\n';
  const sorted = [...services].sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
  const rows = sorted.map(({ namespace, name, address, clusters, conflicts }) => [
    namespace,
    name,
    address,
    // Ready ones of all.
    clusters.map(({ cluster, ready, endpoints }) => `${cluster}:${ready}/${endpoints}`).join(' '),
    conflicts.length === 0 ? '' : String(conflicts.length),
  ]);
  const conflicts = sorted.flatMap(({ namespace, name, conflicts: found }) => found.map((conflict) => `${namespace}/${name}: ${conflict}`));
  const refused = sorted.flatMap(({ namespace, name, refused: found = [] }) => found.map(({ cluster, message }) => `${namespace}/${name} of ${cluster} is not imported: ${message}`));
  return `${textTable(['namespace', 'service', 'address', 'ready endpoints', 'conflicts'], rows)}${[...conflicts, ...refused].map((line) => `\n${printable(line)}\n`).join('')}`;
}
