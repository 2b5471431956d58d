/** The form of what the server answers; see `stratacam/viewer/answers.py`. */

export interface Named { id: number; name: string }

export interface ListedScan { id: number; name: string; group: string; predicted: string; in_training: string }

export interface StudyAnswer {
  title: string;
  version: string;
  recommended: boolean;
  in_short: string;
  numbers: string[];
  rule: string[];
  warning: string;
  scans: ListedScan[];
  without_maps: number;
  damaged: string[];
  first: { scan: number; store: number; layer: number };
}

export type Part = "mean" | "spread" | "agreement";

export interface LayerAnswer {
  id: number;
  name: string;
  title: string;
  rows: number;
  columns: number;
  verdict: string;
  because: string[];
  blank: string[][];
  parts: Part[];
}

export type Plane = "axial" | "coronal" | "sagittal";

export interface StoreAnswer {
  id: number;
  method: string;
  networks: string;
  members: number;
  recommended: boolean;
  classes: string[];
  explained: string[];
  predicted: string;
  probabilities: number[];
  in_training: string;
  unit: string;
  unit_meaning: string;
  plane: Plane;
  slices: number[];
  slice_probabilities: number[][];
  layers: LayerAnswer[];
}

export interface ScanAnswer {
  id: number;
  name: string;
  group: string;
  sequences: Named[];
  white: number;
  masks: Named[];
  regions: boolean;
  stores: StoreAnswer[];
  left_out: string[];
}

export interface AtlasAnswer { title: string; names: Record<string, string> }

export interface RangeAnswer { low: number; high: number }

export interface Bar {
  layer: number;
  value: number | null;
  mean: number | null;
  low: number | null;
  high: number | null;
  subjects: number;
}

export interface MeasureAnswer { title: string; definition: string; better: string; bars: Bar[] }

export interface ChartAnswer { measures: MeasureAnswer[]; remark: string }
