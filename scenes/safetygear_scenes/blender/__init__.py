"""What needs Blender (bpy, GPL): materials, the yard, people as objects, and the pictures of them."""
