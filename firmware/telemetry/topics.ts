/**
 * The names of MQTT topics: `PREFIX/SITE/server/ID/…` and `PREFIX/SITE/camera/ID/…`, and what a topic that was heard
 * is about. Ids have no characters that mean something in a topic.
 */
import { isId } from '../base/ids.ts';

export interface TopicSettings {
  /** first levels of all topics */
  readonly prefix: string;
  readonly discoveryPrefix: string;
  readonly site: string;
}

/** What a message that was heard is about. */
export type TopicMeaning =
  | { readonly kind: 'command'; readonly camera: string; readonly command: 'ptz' | 'stream' }
  | { readonly kind: 'claim'; readonly camera: string; readonly topic: 'state' | 'availability' }
  /** Home Assistant has started, or stopped */
  | { readonly kind: 'home-assistant' };

export class Topics {
  private readonly base: string;
  private readonly settings: TopicSettings;
  /** where Home Assistant says that it has started */
  readonly homeAssistant: string;

  constructor(settings: TopicSettings) {
    this.settings = settings;
    this.base = `${settings.prefix}/${settings.site}`;
    this.homeAssistant = `${settings.discoveryPrefix}/status`;
  }

  server(id: string, leaf: 'availability' | 'state'): string {
    return `${this.base}/server/${id}/${leaf}`;
  }

  camera(
    id: string,
    leaf: 'availability' | 'state' | 'snapshot' | 'event' | 'ptz/set' | 'stream/set' | 'result',
  ): string {
    return `${this.base}/camera/${id}/${leaf}`;
  }

  /** What the manager of a camera listens to. */
  heardOf(camera: string): string[] {
    return (['availability', 'state', 'ptz/set', 'stream/set'] as const).map((leaf) =>
      this.camera(camera, leaf),
    );
  }

  /** Where Home Assistant reads of a device; the kind keeps a camera and a server of one name apart. */
  discovery(kind: 'server' | 'camera', id: string): string {
    return `${this.settings.discoveryPrefix}/device/${this.deviceId(kind, id)}/config`;
  }

  /** An id of letters, digits, hyphens and underscores that is this device's for ever, whoever manages it. */
  deviceId(kind: 'server' | 'camera', id: string): string {
    return `starling_${this.settings.site}_${kind}_${id}`;
  }

  /** Undefined for a topic that nobody here listens to. */
  meaningOf(topic: string): TopicMeaning | undefined {
    if (topic === this.homeAssistant) return { kind: 'home-assistant' };
    if (!topic.startsWith(`${this.base}/camera/`)) return undefined;
    const [camera = '', ...leaf] = topic.slice(`${this.base}/camera/`.length).split('/');
    if (!isId(camera)) return undefined;
    switch (leaf.join('/')) {
      case 'ptz/set':
        return { kind: 'command', camera, command: 'ptz' };
      case 'stream/set':
        return { kind: 'command', camera, command: 'stream' };
      case 'state':
        return { kind: 'claim', camera, topic: 'state' };
      case 'availability':
        return { kind: 'claim', camera, topic: 'availability' };
      default:
        return undefined;
    }
  }
}
