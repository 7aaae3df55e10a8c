"""Text that machines' own tools write: sysfs, lspci, dmidecode, nvidia-smi, NVIDIA's fabric manager."""
