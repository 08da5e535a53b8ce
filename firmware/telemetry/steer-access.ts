/** What telemetry needs of whoever knows where cameras look and turns them; the server role provides it. */

export type Axis = 'pan' | 'tilt' | 'zoom';

/** Degrees, and a factor for zoom. */
export interface MountView {
  readonly position: { readonly [A in Axis]: number };
  /** undefined for an axis that does not move */
  readonly limits: { readonly [A in Axis]?: readonly [min: number, max: number] | undefined };
}

/** As `POST /api/cameras/{camera}/ptz` takes it. */
export interface SteerWish {
  readonly pan?: number | undefined;
  readonly tilt?: number | undefined;
  readonly zoom?: number | undefined;
  /** pan, tilt and zoom are from where it looks now */
  readonly relative?: boolean | undefined;
  /** −1 to 1 of each axis' full speed, until told otherwise */
  readonly velocity?: { readonly [A in Axis]?: number | undefined } | undefined;
  readonly preset?: string | undefined;
  readonly stop?: boolean | undefined;
}

export interface SteerAccess {
  /** Undefined while it is not known, null for a camera that does not move. */
  mount(camera: string): MountView | null | undefined;
  /** Resolves with why the camera did not do it, if so; rejects with a Failure when it does not answer in time. */
  steer(camera: string, wish: SteerWish): Promise<string | undefined>;
}
