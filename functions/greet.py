# functions/greet.py
# Its manifest, greet.yaml, sets the environment and the timeout.


async def handler(ctx):
    return {"message": f"{ctx.env['GREETING']}, {ctx.input.get('name', 'World')}!"}
