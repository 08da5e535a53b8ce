/** Keeps the very frame that a video element shows, at its full size, as a file of the person who looks. */

/** Saves `name.jpg`; false when there is no frame yet. */
export async function saveFrame(video: HTMLVideoElement | null, name: string): Promise<boolean> {
  if (video === null || video.videoWidth === 0) return false;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d')?.drawImage(video, 0, 0);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
  if (blob === null) return false;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.jpg`;
  link.click();
  // the browser has begun to read it by then
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return true;
}
