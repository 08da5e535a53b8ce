/** The starling. */
export function Mark() {
  return (
    <svg class="brand-mark" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M2 13c4.5-.6 7-2.6 9.2-6C12.6 4.800 15 3.500 17.500 4.200L22 6l-3.200 1.400C18.400 13.500 14.500 18 8.500 18.500L5 21l.8-3.500C4 16.600 2.700 15 2 13z" />
    </svg>
  );
}
