"""Pictures that a detector should learn from, as the device leaves them and the workbench reads them."""
