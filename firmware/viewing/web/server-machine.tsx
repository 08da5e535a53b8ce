/** What is wrong with the machine of a server, with the next step, and how its disks are: as `starling disks` tells it. */
import type { DisksAnswer } from '../api.ts';
import { bytesText } from './bytes-text.ts';
import { useLoaded } from './loaded.tsx';

/** The server itself looks this often. */
const machineEveryMs = 30_000;

type Disk = DisksAnswer['disks'][number];

/** `told`: what is said already of its volumes. */
export function ServerMachine({ id, told }: { id: string; told: readonly string[] }) {
  const loaded = useLoaded<DisksAnswer>(`/api/disks?server=${encodeURIComponent(id)}`, machineEveryMs);
  const report = loaded.answer.value;
  // An older server does not tell, and what is asked of one that does not answer is said elsewhere.
  if (report === undefined) return null;
  return (
    <>
      {report.findings
        .filter(({ text }) => !told.includes(text))
        .map(({ verdict, about, text, next }) => (
          <p key={`${about} ${text}`} class={verdict === 'FAIL' ? 'notice notice-bad' : 'notice'}>
            <span>
              <strong>{`${capital(about)}: ${text}.`}</strong> {next}
            </span>
          </p>
        ))}
      {report.disks.length > 0 && (
        <ul class="quiet" aria-label="Disks">
          {report.disks.map((disk) => (
            <li key={disk.name}>{diskText(disk)}</li>
          ))}
        </ul>
      )}
    </>
  );
}

/** `Disk sda: WDC WD40EFRX, 4 TB, 34 °C, well` */
function diskText({ name, model, bytes, temperatureC, wearPercent, verdict, smart }: Disk): string {
  const state = {
    OK: smart === 'passed' ? 'well' : 'says nothing bad',
    WARN: 'wants attention',
    FAIL: 'fails',
  };
  const facts = [
    ...(model === null ? [] : [model]),
    bytesText(bytes),
    ...(temperatureC === null ? [] : [`${temperatureC} °C`]),
    ...(wearPercent === null ? [] : [`${wearPercent} % worn`]),
    state[verdict],
  ];
  return `Disk ${name}: ${facts.join(', ')}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
