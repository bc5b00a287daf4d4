"""Ada3D: voxels and BEV cells that a learned importance says little about are dropped, frame by frame."""
