/** What telemetry tells, as the server's other parts give it. */
import type { SiteSettings } from '../site/site-settings.ts';
import type { DisksAnswer, StatusAnswer } from '../viewing/api.ts';
import type { Directory } from '../viewing/directory.ts';
import type { LiveHub } from '../viewing/live-hub.ts';
import type { StreamAccess } from '../viewing/stream-access.ts';
import type { EventSource } from './event-source.ts';
import type { SteerAccess } from './steer-access.ts';

/** Where telemetry finds what it tells. */
export interface TelemetrySources {
  readonly directory: Directory;
  /** cameras that somebody took off the site's lists; one that came back may be among them */
  readonly removed: () => readonly string[];
  readonly status: () => StatusAnswer;
  /** absent where nobody looks after the machine */
  readonly disks?: (() => DisksAnswer) | undefined;
  readonly live: Pick<LiveHub, 'snapshot'>;
  readonly streams: StreamAccess;
  readonly steering?: SteerAccess | undefined;
  readonly events?: EventSource | undefined;
  /** A camera is told something on behalf of the broker; for the audit log. */
  readonly onCommand?: ((camera: string, command: 'ptz' | 'stream') => void) | undefined;
  /** A JPEG of what a camera of this server shows now. */
  readonly frame?: ((camera: string) => Promise<Uint8Array | undefined>) | undefined;
  /** what people have named cameras and servers; '' for one without a name */
  readonly names?: Pick<SiteSettings, 'ofCamera' | 'ofServer'> | undefined;
}
