/**
 * Writes what people set about cameras and servers into the site document, and knows when that did not work: a document
 * may be full.
 */
import { isDeepStrictEqual } from 'node:util';
import { accept, type Result, reject } from '../base/result.ts';
import { deletionValue, historyDeletion } from '../overlay/camera-deletion.ts';
import type { CameraSettings, ServerSettings, SettingsRow, SiteSettings } from '../site/site-settings.ts';
import type { CameraSettingsWish, ServerSettingsWish, SettingsAccess } from '../viewing/settings-access.ts';

export interface SettingsDeskOptions {
  /** follows the document */
  readonly settings: SiteSettings;
  /** What is written is told to `settings` within the call, unless the document takes no more. */
  readonly write: (row: SettingsRow) => void;
  readonly utcUs: () => number;
  /** Whether a camera is on this server's list. */
  readonly isListed: (camera: string) => boolean;
}

const full = 'the site document is full';

export class SettingsDesk implements SettingsAccess {
  private readonly options: SettingsDeskOptions;

  constructor(options: SettingsDeskOptions) {
    this.options = options;
  }

  ofCamera(camera: string): CameraSettings {
    return this.options.settings.ofCamera(camera);
  }

  ofServer(server: string): ServerSettings {
    return this.options.settings.ofServer(server);
  }

  changeCamera(camera: string, wish: CameraSettingsWish): Result<CameraSettings> {
    const { settings } = this.options;
    const wanted = { ...this.ofCamera(camera), ...wish };
    return this.change(wanted, settings.cameraRow(camera, wanted), () => this.ofCamera(camera));
  }

  changeServer(server: string, wish: ServerSettingsWish): Result<ServerSettings> {
    const { settings } = this.options;
    const wanted = { ...this.ofServer(server), ...wish };
    return this.change(wanted, settings.serverRow(server, wanted), () => this.ofServer(server));
  }

  removeCamera(camera: string, epoch: number): Result<undefined> {
    const value = deletionValue({ untilUs: this.options.utcUs(), epoch });
    this.options.write({ kind: historyDeletion, id: camera, value });
    return this.options.isListed(camera) ? reject(full) : accept(undefined);
  }

  private change<T>(wanted: T, row: SettingsRow | string, now: () => T): Result<T> {
    if (typeof row === 'string') return reject(row);
    if (!isDeepStrictEqual(now(), wanted)) this.options.write(row);
    return isDeepStrictEqual(now(), wanted) ? accept(wanted) : reject(full);
  }
}
